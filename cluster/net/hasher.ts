import { sha256Hex } from '../../src/sha256.js';
import type { Hasher } from '../protocol/hasher.js';

/** The platform's own SHA-256 where it has one. */
export const nodeHasher: Hasher = { sha256: sha256Hex };
