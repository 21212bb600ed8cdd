// Writes docs/api.md from the types and docs/options.md from the commands: `node dist/scripts/reference-pages.js`, after a build.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import type { Context } from './cli/context.js';
import { createProgram } from './cli/program.js';

/** The checkout: compiled, this file is in dist/scripts. */
const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NOTE = 'do not edit: written by `node dist/scripts/reference-pages.js`';

/** Every command with its arguments, options and examples, as its help has them. */
export function optionsPage(): string {
  const nowhere = { write: () => true };
  const program = createProgram({ stdout: nowhere, stderr: nowhere } as unknown as Context, () => undefined);
  const commands = program.createHelp().visibleCommands(program);
  return ['# Commands and options', `<!-- ${NOTE} -->`, `\`\`\`text${after(program)}\n\`\`\``, ...commands.map(chapter), ''].join('\n\n').replace(/\n+$/, '\n');
}

function chapter(command: Command): string {
  const words = command.registeredArguments.map((argument) => `- \`${argument.name()}\`: ${argument.description}`);
  const tables = [...grouped(command.options)].map(([title, options]) => [`**${title.replace(/:$/, '')}**`, '| option | meaning |\n|---|---|\n' + options.map(({ flags, description }) => `| \`${flags}\` | ${description} |`).join('\n')].join('\n\n'));
  return [
    `## ${command.name()}`, command.description(), `\`\`\`text\ntensorflock ${command.name()} ${command.usage()}\n\`\`\``,
    ...(words.length === 0 ? [] : [words.join('\n')]), ...tables, `\`\`\`text${after(command)}\n\`\`\``,
  ].join('\n\n');
}

function grouped(options: readonly Option[]): Map<string, Option[]> {
  const groups = new Map<string, Option[]>();
  for (const option of options) groups.set(groupOf(option), [...(groups.get(groupOf(option)) ?? []), option]);
  return groups;
}

function groupOf({ helpGroupHeading }: Option): string {
  return helpGroupHeading ?? 'Options:';
}

/** What stands behind the options of a help page. */
function after(command: Command): string {
  let text = '';
  command.configureOutput({ getOutHelpWidth: () => 80, writeOut: (part) => { text += part; } }).outputHelp();
  return text.slice(text.indexOf(LAST_OPTION) + LAST_OPTION.length).trimEnd();
}
const LAST_OPTION = 'print this page\n';

/** Everything that the package exports, from the types and their comments. */
export async function apiPage(): Promise<string> {
  const { Application } = await import('typedoc'); // a second to load, which the other page need not wait for
  const folder = mkdtempSync(join(tmpdir(), 'tensorflock-api-'));
  try {
    const options = {
      entryPoints: [join(ROOT, 'src/index.ts')], tsconfig: join(ROOT, 'tsconfig.json'), plugin: ['typedoc-plugin-markdown'], readme: 'none', disableSources: true,
      excludeExternals: true, excludePrivate: true, skipErrorChecking: true, sort: ['source-order'], logLevel: 'Error',
      out: folder, outputFileStrategy: 'modules', hideBreadcrumbs: true, hidePageHeader: true, parametersFormat: 'table', interfacePropertiesFormat: 'table',
    } as const;
    const application = await Application.bootstrapWithPlugins(options as never);
    const project = await application.convert();
    if (project === undefined) throw new Error('typedoc found nothing to document');
    await application.generateOutputs(project);
    return onePage(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The page of the package, and those of its namespaces behind it; links between them lead within the page. */
function onePage(folder: string): string {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).sort();
  const texts = names.map((name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    return name === 'README.md' ? text.replace('# tensorflock\n', `# API\n\n<!-- ${NOTE} -->\n`) : text.replace(/^#/gm, '##');
  });
  return texts.join('\n').replace(/\]\([\w./-]*?(\w+)\.md(#[\w-]+)?\)/g, (_, page: string, heading: string | undefined) => `](${heading ?? `#${page}`})`).trimEnd() + '\n';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(join(ROOT, 'docs/options.md'), optionsPage());
  writeFileSync(join(ROOT, 'docs/api.md'), await apiPage());
}
