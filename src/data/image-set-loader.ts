import { join } from 'node:path';
import { inputError, runError } from '../errors.js';
import { runCommand, withUnpackedPackage, type RunCommand } from './apt.js';
import { defaultCacheFolder, findInFolders, writeAtomically, type Notice } from './cache.js';
import { createDataset, withScale, type Dataset, type DatasetSplit } from './dataset.js';
import { downloadFrom, startStallTimer, type DownloadProgress, type StartStallTimer } from './download.js';
import { decodeIdx } from './idx.js';
import type { ImageSet, SetFile } from './image-sets.js';
import { PartialDownload } from './partial.js';

/** How far to go for files that this machine lacks. `apt` tries the mirrors first. */
const FETCHES = ['none', 'mirrors', 'apt'] as const;
const DEFAULT_STALL_TIMEOUT_MS = 15_000;

export interface ImageSetOptions {
  /** The folder of all cached data. Default: `TENSORFLOCK_DATA`, else `$XDG_CACHE_HOME/tensorflock` or `~/.cache/tensorflock`. */
  readonly cacheFolder?: string;
  /** Base addresses to try in order, instead of the set's own. */
  readonly mirrors?: readonly string[];
  /** How far to go for files that this machine lacks: nowhere, to the mirrors (default), or to `apt-get download` after them, as the command line may. */
  readonly fetch?: (typeof FETCHES)[number];
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Is given a sentence about each thing worth knowing: a wrong cached file, a download, an unwritable cache. */
  readonly onNotice?: Notice;
  /** A mirror that sends nothing for so long is given up. Default: 15,000. */
  readonly stallTimeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What the machine provides, apart from the options: replaced in tests. */
export interface Machine {
  readonly environment: NodeJS.ProcessEnv;
  readonly run: RunCommand;
  readonly startStallTimer: StartStallTimer;
}

const THIS_MACHINE: Machine = { environment: process.env, run: runCommand, startStallTimer };

/**
 * Loads a published image set from the first place that has it: cache folder, system folders, mirrors, apt.
 * @throws TensorflockError `ERR_DATASET_NOT_FOUND` listing what was tried, `ERR_ABORTED`, or for a bad option
 */
export async function loadImageSet(
  set: ImageSet,
  options: ImageSetOptions = {},
  machine: Machine = THIS_MACHINE,
): Promise<DatasetSplit> {
  checkOptions(options);
  try {
    return await new ImageSetLoader(set, options, machine).load();
  } catch (error) {
    if (!options.signal?.aborted) throw error;
    const sentence = `loading ${set.title} was aborted; start again to go on from what has arrived`;
    throw runError('ERR_ABORTED', sentence, { cause: error });
  }
}

function checkOptions({ fetch, stallTimeoutMs, mirrors }: ImageSetOptions): void {
  if (fetch !== undefined && !FETCHES.includes(fetch)) {
    throw inputError('ERR_DATASET_OPTION', `fetch is "${fetch}"; give one of ${FETCHES.join(', ')}`);
  }
  if (stallTimeoutMs !== undefined && !(stallTimeoutMs > 0)) {
    throw inputError('ERR_DATASET_OPTION', `stallTimeoutMs is ${stallTimeoutMs}; give milliseconds above 0`);
  }
  const bad = mirrors?.find((mirror) => !/^https?:\/\//.test(mirror) || !URL.canParse(mirror));
  if (bad === undefined) return;
  throw inputError('ERR_DATASET_OPTION', `the mirror "${bad}" is no http or https address; give a base address`);
}

class ImageSetLoader {
  readonly #set: ImageSet;
  readonly #options: ImageSetOptions;
  readonly #machine: Machine;
  readonly #folder: string;
  readonly #told = new Set<string>();
  readonly #faults: string[] = [];

  constructor(set: ImageSet, options: ImageSetOptions, machine: Machine) {
    this.#set = set;
    this.#options = options;
    this.#machine = machine;
    this.#folder = join(options.cacheFolder ?? defaultCacheFolder(machine.environment), set.folder);
  }

  async load(): Promise<DatasetSplit> {
    this.#options.signal?.throwIfAborted();
    const { trainImages, trainLabels, testImages, testLabels } = this.#set.files;
    const files = [trainImages, trainLabels, testImages, testLabels];
    const found = await this.#findLocally(files, [this.#folder, ...this.#set.systemFolders]);
    const fetch = this.#options.fetch ?? 'mirrors';
    if (fetch === 'none') this.#faults.push('nothing was fetched, as asked');
    else await this.#fetchFromMirrors(files, found);
    if (fetch === 'apt') await this.#fetchByApt(files, found);
    const bytes = (file: SetFile) => found.get(file) ?? this.#refuse(file);
    return {
      train: this.#dataset(bytes(trainImages), bytes(trainLabels)),
      test: this.#dataset(bytes(testImages), bytes(testLabels)),
    };
  }

  /** All files at once: reading and inflating are done on other threads. */
  async #findLocally(files: readonly SetFile[], folders: readonly string[]): Promise<Map<SetFile, Uint8Array>> {
    const found = new Map<SetFile, Uint8Array>();
    await Promise.all(files.map(async (file) => {
      const bytes = await findInFolders(file, folders, this.#notice);
      if (bytes) found.set(file, bytes);
    }));
    return found;
  }

  /** One file after another, so that the line is not shared; a mirror that failed is not asked for the files after it. */
  async #fetchFromMirrors(files: readonly SetFile[], found: Map<SetFile, Uint8Array>): Promise<void> {
    let mirrors = this.#options.mirrors ?? this.#set.mirrors;
    for (const file of files.filter((each) => !found.has(each))) {
      const partial = await PartialDownload.resume(join(this.#folder, `${file.name}.gz.part`), this.#noticeUnwritable);
      try {
        const failed = await this.#tryMirrors(mirrors, file, partial, found);
        mirrors = mirrors.filter((mirror) => !failed.includes(mirror));
      } finally {
        await partial.close(found.has(file) ? 'remove' : 'keep');
      }
    }
  }

  /** Puts the file into `found` from the first mirror that has it; returns those that failed. */
  async #tryMirrors(
    mirrors: readonly string[],
    file: SetFile,
    partial: PartialDownload,
    found: Map<SetFile, Uint8Array>,
  ): Promise<string[]> {
    const { stallTimeoutMs = DEFAULT_STALL_TIMEOUT_MS } = this.#options;
    const options = { ...this.#options, stallTimeoutMs, startStallTimer: this.#machine.startStallTimer };
    const failed: string[] = [];
    for (const mirror of mirrors) {
      this.#notice(`downloading ${this.#set.title} from ${mirror}`);
      const download = await downloadFrom(mirror, file, partial, options);
      if ('bytes' in download) {
        found.set(file, download.bytes);
        await this.#keep(file, download.bytes);
        break;
      }
      this.#notice(download.fault);
      this.#faults.push(download.fault);
      failed.push(mirror);
    }
    return failed;
  }

  async #fetchByApt(files: readonly SetFile[], found: Map<SetFile, Uint8Array>): Promise<void> {
    const missing = files.filter((file) => !found.has(file));
    const { debianPackage, systemFolders } = this.#set;
    if (missing.length === 0) return;
    if (debianPackage === undefined) {
      this.#faults.push('no Debian package holds it');
      return;
    }
    const takeFiles = async (root: string): Promise<void> => {
      const unpacked = await this.#findLocally(missing, systemFolders.map((folder) => join(root, folder)));
      for (const [file, bytes] of unpacked) {
        found.set(file, bytes);
        await this.#keep(file, bytes);
      }
    };
    try {
      await withUnpackedPackage(debianPackage, this.#machine.run, this.#notice, takeFiles, this.#options.signal);
    } catch (error) {
      this.#options.signal?.throwIfAborted();
      this.#faults.push(`apt failed: ${(error as Error).message}`);
    }
  }

  /** Keeps decoded bytes, so that later starts need not inflate: 0.07 s instead of 0.2 s. */
  async #keep(file: SetFile, bytes: Uint8Array): Promise<void> {
    await writeAtomically(join(this.#folder, file.name), bytes).catch(this.#noticeUnwritable);
  }

  #dataset(images: Uint8Array, labels: Uint8Array): Dataset {
    const { folder, classNames } = this.#set;
    return createDataset(folder, [withScale(decodeIdx(images, folder), 1 / 255)], [decodeIdx(labels, folder)], classNames);
  }

  /** A sentence is told once, however many files it holds for. */
  readonly #notice: Notice = (sentence) => {
    if (this.#told.has(sentence)) return;
    this.#told.add(sentence);
    this.#options.onNotice?.(sentence);
  };

  readonly #noticeUnwritable = (error: NodeJS.ErrnoException): void => {
    this.#notice(
      `the cache folder "${this.#folder}" cannot be written (${error.code ?? error.message}), so the data stays in memory and ` +
        'the next start fetches it again; set TENSORFLOCK_DATA to a folder that can be written',
    );
  };

  #refuse(file: SetFile): never {
    const { title, folder, systemFolders, debianPackage } = this.#set;
    const tried = [`no right "${file.name}" (plain or .gz) in ${[this.#folder, ...systemFolders].join(' or ')}`, ...this.#faults];
    const remedies = [
      `put its IDX files into a folder "${folder}" and set TENSORFLOCK_DATA to the folder that holds it`,
      ...(debianPackage === undefined ? [] : [`install the Debian package ${debianPackage}`]),
      'go online and start again',
    ];
    throw runError('ERR_DATASET_NOT_FOUND', `${title} was not found (${tried.join('; ')}): ${remedies.join(', or ')}`);
  }
}
