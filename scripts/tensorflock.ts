#!/usr/bin/env node
import { main } from './cli/main.js';
import { processContext } from './cli/process-context.js';

process.exitCode = await main(process.argv.slice(2), processContext());
