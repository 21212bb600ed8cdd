import { readEventLog } from '../../cluster/operations/log-file.js';
import { Replayer, type Replay } from '../../cluster/rounds/replay.js';
import { Summarizer, type LogSummary, type SourceSummary } from '../../cluster/rounds/summary.js';
import { counted, wholeNumber } from '../../src/report/format.js';
import type { Context } from './context.js';
import type { ReplayOptions } from './options.js';
import { writeJsonLine } from './output.js';

const KEPT_STATUS = 0;
const BROKEN_STATUS = 1;
/** Characters of an identity that tell two nodes apart. */
const SHOWN_IDENTITY = 12;
const LABEL_WIDTH = 11;

/** `tensorflock replay <file>`: who computed what, and whether every promise was kept; resolves to the exit status. */
export async function runReplay(file: string, options: ReplayOptions, context: Context): Promise<number> {
  const [replayer, summarizer] = [new Replayer(), new Summarizer()];
  for await (const record of readEventLog(file)) {
    replayer.take(record);
    summarizer.take(record);
  }
  const summary = summarizer.summary(replayer);
  if (options.json) writeJson(replayer, summary, context);
  else for (const line of linesOf(replayer, summary)) context.stdout.write(`${line}\n`);
  return replayer.problems.length === 0 ? KEPT_STATUS : BROKEN_STATUS;
}

/** Updates and stretches in their order, then everything else. */
function writeJson(replay: Replay, summary: LogSummary, { stdout }: Context): void {
  const made = [...replay.updates.map((update) => ({ event: 'update', ...update })), ...replay.alone.map((stretch) => ({ event: 'alone', ...stretch }))];
  for (const line of made.sort((a, b) => a.version - b.version)) writeJsonLine(stdout, line);
  for (const period of replay.periods) writeJsonLine(stdout, { event: 'period', ...period });
  for (const change of summary.membership) writeJsonLine(stdout, { event: 'member', ...change });
  for (const incident of summary.incidents) writeJsonLine(stdout, incident);
  for (const problem of replay.problems) writeJsonLine(stdout, { event: 'problem', problem });
  const { events, starts, end, sources } = summary;
  const totals = { rounds: replay.updates.length, alone: aloneSteps(replay), periods: replay.periods.length, oldest: replay.oldest };
  writeJsonLine(stdout, { event: 'summary', events, starts: starts.length, outcome: end?.outcome ?? null, ...totals, sources, incidents: summary.incidents.length, problems: replay.problems.length });
}

function linesOf(replay: Replay, summary: LogSummary): string[] {
  const { starts, membership, sources, incidents } = summary;
  const row = (label: string, text: string): string => `${label.padEnd(LABEL_WIDTH)}${text}`;
  return [
    row('events', `${wholeNumber(summary.events)}, ${counted(starts.length, 'start')}, mode ${starts.at(-1)?.mode ?? 'unknown'}${endOf(summary)}`),
    row('updates', updatesOf(replay)),
    ...sources.map((source) => row(source.kind, sourceLine(source, sources))),
    ...membership.map(({ sinceMs, member, state, departure }) => row('member', `${(sinceMs / 1_000).toFixed(1).padStart(8)} s  ${String(member)} ${state}${departure === undefined ? '' : ` (${departure})`}`)),
    ...incidents.map((incident) => row('incident', incidentOf(incident))),
    ...replay.problems.map((problem) => row('problem', problem)),
    replay.problems.length === 0 ? 'every shard counts exactly once, and no share was older than the mode allows' : `${counted(replay.problems.length, 'problem')} found`,
  ];
}

function endOf({ end }: LogSummary): string {
  return end === undefined ? ', without an end' : `, ${end.outcome} at version ${wholeNumber(end.version)}`;
}

function aloneSteps({ alone }: Replay): number {
  return alone.reduce((sum, { steps }) => sum + steps, 0);
}

function updatesOf(replay: Replay): string {
  const periods = replay.periods.length === 0 ? '' : `, ${counted(replay.periods.length, 'exchange')} of own steps`;
  return `${counted(replay.updates.length, 'update')} in rounds, ${counted(aloneSteps(replay), 'step')} by this machine alone${periods}; oldest share ${counted(replay.oldest, 'version')}`;
}

function sourceLine(source: SourceSummary, all: readonly SourceSummary[]): string {
  const sum = all.reduce((leaves, each) => leaves + each.leaves, 0);
  const part = sum === 0 ? '' : `, ${((100 * source.leaves) / sum).toFixed(1)} % of the shards in rounds`;
  const verdicts = Object.entries(source.verdicts).map(([verdict, count]) => `${wholeNumber(count)} ${verdict}`);
  const revoked = source.revocations === 0 ? '' : `, ${counted(source.revocations, 'time')} overdue`;
  return `${String(source.source)} ${source.identity.slice(0, SHOWN_IDENTITY)}: ${counted(source.assignments, 'assignment')}, shares: ${verdicts.join(', ') || 'none'}${part}${revoked}`;
}

function incidentOf(incident: LogSummary['incidents'][number]): string {
  const where = `step ${String(incident.step)}, subtree ${String(incident.level)}/${String(incident.index)}`;
  if (incident.event === 'expel') return `source ${String(incident.source)} was expelled for ${where}`;
  return `${incident.kind} at ${where}: ${incident.claims.map(({ source, digest }) => `source ${String(source)} said ${digest.slice(0, SHOWN_IDENTITY)}`).join(', ')}`;
}
