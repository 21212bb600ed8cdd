import { writeFileSync } from 'node:fs';

/**
 * Writes what a run came to as JSON to the file that TEST_TALLY names: how many tests passed, and the names of those that
 * failed or were skipped, with the reason that `context.skip(reason)` gave. A file that cannot be loaded is one failure.
 */
export default class TallyReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const tally = { passed: 0, failed: [], skipped: [] };
    for (const module of modules) {
      for (const test of module.children.allTests()) add(tally, module, test);
      if (module.errors().length > 0) tally.failed.push(`${module.relativeModuleId} as a whole`);
    }
    for (const error of unhandledErrors) tally.failed.push(`outside of any test: ${error.message}`);
    writeFileSync(process.env.TEST_TALLY, JSON.stringify(tally));
  }
}

function add(tally, module, test) {
  const name = `${module.relativeModuleId}: ${test.fullName}`;
  const result = test.result();
  if (result.state === 'passed') tally.passed += 1;
  else if (result.state === 'skipped') tally.skipped.push({ name, reason: result.note ?? 'no reason given' });
  else tally.failed.push(name); // a test that never ended counts as failed
}
