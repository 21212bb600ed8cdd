import { basename, dirname } from 'node:path';
import type { EntryKind, Files, FolderEntry, OpenFile } from '../../src/train/durable-files.js';

/** `current` is what programs see, `durable` what a loss of power cannot take. */
interface DiskFile {
  readonly kind: 'file';
  current: Uint8Array;
  durable: Uint8Array;
}

interface DiskFolder {
  readonly kind: 'folder';
  current: Map<string, DiskNode>;
  durable: Map<string, DiskNode>;
}

type DiskNode = DiskFile | DiskFolder;

/** Gives a whole number from 0 to `most`. */
export type Choose = (most: number) => number;

export class Stopped extends Error {}

/**
 * A disk that loses whatever was not synced, as the worst file system that POSIX allows: after `losePower`, every name
 * and every file that changed since it was synced is, each by itself, the old or the new one, and new contents may be
 * cut short or zeros.
 */
export class MemoryDisk {
  #root = emptyFolder();
  operationCount = 0;

  constructor() {
    this.#root.current.set('run', emptyFolder());
    this.#root.durable = new Map(this.#root.current);
  }

  /** @param stopAfter the number of operations that still work; the next one does half of its work, if it writes, and throws, as do all others. */
  files(stopAfter = Number.POSITIVE_INFINITY): Files {
    this.operationCount = 0;
    const step = (): void => {
      this.operationCount += 1;
      if (this.operationCount > stopAfter) throw new Stopped('the machine has stopped');
    };
    return this.#filesWith(step);
  }

  /** @param failing the operation, counted from 1, that throws `error`; all others work. */
  filesFailingOnce(failing: number, error: Error): Files {
    this.operationCount = 0;
    return this.#filesWith(() => {
      this.operationCount += 1;
      if (this.operationCount === failing) throw error;
    });
  }

  losePower(choose: Choose): void {
    this.#root = afterPowerLoss(this.#root, choose);
  }

  /** The path of every file, sorted. */
  paths(): string[] {
    return pathsOf(this.#root, '').sort();
  }

  #filesWith(step: () => void): Files {
    const find = (path: string): DiskNode | undefined => this.#find(path);
    const folder = (path: string): DiskFolder => {
      const node = find(path);
      if (node?.kind !== 'folder') throw systemError('ENOENT', path);
      return node;
    };
    const file = (path: string): DiskFile => {
      const node = find(path);
      if (node?.kind !== 'file') throw systemError('ENOENT', path);
      return node;
    };
    const add = (path: string, node: DiskNode): void => {
      if (find(path)) throw systemError('EEXIST', path);
      folder(dirname(path)).current.set(basename(path), node);
    };
    return {
      async kind(path): Promise<EntryKind | 'missing'> {
        return find(path)?.kind ?? 'missing';
      },
      async byteLength(path): Promise<number> {
        return file(path).current.byteLength;
      },
      async read(path): Promise<Uint8Array> {
        return file(path).current.slice();
      },
      async list(path): Promise<FolderEntry[]> {
        step();
        return [...folder(path).current].map(([name, { kind }]) => ({ name, kind }));
      },
      async createFile(path): Promise<OpenFile> {
        step();
        const created: DiskFile = { kind: 'file', current: new Uint8Array(), durable: new Uint8Array() };
        add(path, created);
        return openFile(created, step);
      },
      async createFolder(path): Promise<void> {
        step();
        add(path, emptyFolder());
      },
      async rename(from, to): Promise<void> {
        step();
        const node = file(from);
        folder(dirname(to)).current.set(basename(to), node);
        folder(dirname(from)).current.delete(basename(from));
      },
      async removeFile(path): Promise<void> {
        step();
        file(path);
        folder(dirname(path)).current.delete(basename(path));
      },
      async removeFolder(path): Promise<void> {
        step();
        if (folder(path).current.size > 0) throw systemError('ENOTEMPTY', path);
        folder(dirname(path)).current.delete(basename(path));
      },
      async syncFolder(path): Promise<void> {
        step();
        folder(path).durable = new Map(folder(path).current);
      },
    };
  }

  #find(path: string): DiskNode | undefined {
    let node: DiskNode | undefined = this.#root;
    for (const name of path.split('/').filter((part) => part !== '')) node = node?.kind === 'folder' ? node.current.get(name) : undefined;
    return node;
  }
}

function openFile(file: DiskFile, step: () => void): OpenFile {
  const append = (bytes: Uint8Array): void => {
    const longer = new Uint8Array(file.current.byteLength + bytes.byteLength);
    longer.set(file.current);
    longer.set(bytes, file.current.byteLength);
    file.current = longer;
  };
  return {
    async write(bytes): Promise<void> {
      const half = bytes.byteLength >> 1;
      append(bytes.subarray(0, half));
      step();
      append(bytes.subarray(half));
    },
    async sync(): Promise<void> {
      step();
      file.durable = file.current.slice();
    },
    async close(): Promise<void> {
      step();
    },
  };
}

function emptyFolder(): DiskFolder {
  return { kind: 'folder', current: new Map(), durable: new Map() };
}

function afterPowerLoss(folder: DiskFolder, choose: Choose): DiskFolder {
  const left = new Map<string, DiskNode>();
  for (const name of new Set([...folder.durable.keys(), ...folder.current.keys()])) {
    const [old, young] = [folder.durable.get(name), folder.current.get(name)];
    const node = old === young || choose(1) === 0 ? old : young;
    if (node) left.set(name, node.kind === 'folder' ? afterPowerLoss(node, choose) : fileAfterPowerLoss(node, choose));
  }
  return { kind: 'folder', current: left, durable: new Map(left) };
}

function fileAfterPowerLoss({ current, durable }: DiskFile, choose: Choose): DiskFile {
  const outcomes = [durable, current, current.slice(0, current.byteLength >> 1), new Uint8Array(current.byteLength)];
  const left = Buffer.compare(current, durable) === 0 ? durable : (outcomes[choose(outcomes.length - 1)] ?? durable);
  return { kind: 'file', current: left, durable: left };
}

function pathsOf(folder: DiskFolder, above: string): string[] {
  return [...folder.current].flatMap(([name, node]) => (node.kind === 'file' ? [`${above}/${name}`] : pathsOf(node, `${above}/${name}`)));
}

function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
