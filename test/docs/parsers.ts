import { parseBenchOptions, parseDoctorOptions, parseEvaluateOptions, parseJoinOptions, parseLessonOptions, parseOperateOptions, parsePredictOptions, parseReplayOptions, parseReportOptions, parseTrainOptions } from '../../scripts/cli/options.js';

const nothing = (options: Record<string, unknown>): unknown => options;

/** What checks the options of each command. */
export const PARSERS: Readonly<Record<string, (options: Record<string, unknown>) => unknown>> = {
  train: parseTrainOptions, evaluate: parseEvaluateOptions, predict: parsePredictOptions, bench: parseBenchOptions, doctor: parseDoctorOptions, join: parseJoinOptions, replay: parseReplayOptions,
  operate: parseOperateOptions, report: parseReportOptions, lesson: parseLessonOptions, init: nothing, completion: nothing,
};
