import { afterAll } from 'vitest';
import { openLan, type Lan, type Machine, type Opened } from '../../scripts/lan/lan.js';
import type { LinkProfile } from '../../scripts/lan/profile.js';
import type { Place } from './programs.js';

/** A LAN for the tests of a file; where there can be none the reason is printed, and the tests are to be skipped. */
export async function useLan(profile: LinkProfile, machines: number): Promise<Opened> {
  const opened = await openLan(profile, machines);
  if (opened.missing !== undefined) {
    process.stdout.write(`Skipped: the ${profile.name} box is not tried: ${opened.missing}\n`);
    return opened;
  }
  process.stdout.write(`The ${profile.name} box: ${opened.lan.description}\n`);
  afterAll(() => opened.lan.close());
  return opened;
}

/** Runs commands on a machine of the box. */
export function at(lan: Lan, machine: Machine): Place {
  return (command, args) => lan.on(machine, command, args);
}
