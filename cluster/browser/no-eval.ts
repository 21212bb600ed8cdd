// Imported before any schema: a page that forbids `eval` would be told of the attempt, although zod does without.
import { config } from 'zod';

config({ jitless: true });
