// Numbers of the dashboard as people read them.
import { metricValue } from '../../src/report/format.js';

/** "12:05" for minutes and seconds, "1:02:05" from an hour on. */
export function clockTime(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1_000);
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  const two = (value: number): string => String(value).padStart(2, '0');
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}

/** Three significant digits, by powers of ten where zeros would hide them; a dash for none. */
export function brief(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 0.001 || size >= 1e6) return value.toExponential(1).replace('e-', 'e−').replace('e+', 'e');
  return size >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}

/** As brief() with two digits, for where there is little room. */
export function rough(value: number): string {
  return brief(Number(value.toPrecision(2)));
}

/** As reports write it; a dash for none. */
export function metric(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '–' : metricValue(value);
}

/** 0.125 -> "13 %"; "<1 %" for what is there but rounds to nothing. */
export function percent(fraction: number): string {
  const rounded = Math.round(100 * fraction);
  return rounded === 0 && fraction > 0 ? '<1 %' : `${rounded} %`;
}

/** "val_acc" -> "validation accuracy". */
export function metricName(name: string): string {
  const isValidation = name.startsWith('val_');
  const own = isValidation ? name.slice(4) : name;
  const words = own === 'acc' ? 'accuracy' : own.replace(/([a-z])([A-Z])/g, '$1 $2').replaceAll('_', ' ').toLowerCase();
  return isValidation ? `validation ${words}` : words;
}
