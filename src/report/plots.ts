import { barChart, confusionChart, histogramChart, lineChart, scatterChart, surfaceChart, type ChartText, type Histogram, type LineOptions, type Series, type Surface } from './charts.js';
import { imageGrid, numberGrid, type Picture } from './pictures.js';

/** A picture as the data that it shows: plain, so that it can be drawn, tested and written as JSON. */
export type Plot =
  | { readonly kind: 'lines'; readonly series: readonly Series[]; readonly options?: LineOptions }
  | { readonly kind: 'scatter'; readonly groups: readonly Series[]; readonly lines?: readonly Series[] }
  | { readonly kind: 'histogram'; readonly histograms: readonly Histogram[] }
  | { readonly kind: 'bars'; readonly bars: readonly { readonly name: string; readonly value: number }[] }
  | { readonly kind: 'confusion'; readonly counts: readonly (readonly number[])[]; readonly classNames: readonly string[] }
  | { readonly kind: 'surface'; readonly surface: Surface; readonly paths: readonly Series[] }
  | { readonly kind: 'numbers'; readonly rows: readonly (readonly number[])[] }
  | { readonly kind: 'pictures'; readonly pictures: readonly Picture[]; readonly columns: number };

/** The plot as SVG. What has no axes (pictures, numbers) leaves x and y of its text out. */
export async function drawPlot(plot: Plot, text: ChartText): Promise<string> {
  switch (plot.kind) {
    case 'lines': return lineChart(plot.series, text, plot.options);
    case 'scatter': return scatterChart(plot.groups, text, plot.lines);
    case 'histogram': return histogramChart(plot.histograms, text);
    case 'bars': return barChart(plot.bars, text);
    case 'confusion': return confusionChart(plot.counts, plot.classNames, text);
    case 'surface': return surfaceChart(plot.surface, plot.paths, text);
    case 'numbers': return numberGrid(plot.rows, `${text.title}. ${text.description}`);
    case 'pictures': return imageGrid(plot.pictures, plot.columns, `${text.title}. ${text.description}`);
  }
}
