#!/usr/bin/env node
// Known vulnerabilities of what the service runs on: ends with 1 for one that is high or critical. A registry that does not
// answer such questions (a mirror) is named, and stops nobody.
import { spawnSync } from 'node:child_process';

const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json', '--loglevel=silent'], { encoding: 'utf8', timeout: 120_000 });
let report;
try {
  report = JSON.parse(stdout);
} catch {
  report = {};
}
const found = report.metadata?.vulnerabilities;
if (found === undefined) {
  console.log('Dependencies were not checked: the registry does not answer audits.');
} else {
  console.log(`Dependencies: ${found.critical} critical, ${found.high} high, ${found.moderate} moderate, ${found.low} low.`);
  for (const [name, { severity, via }] of Object.entries(report.vulnerabilities ?? {})) console.log(`  ${severity} ${name} ${via.map((each) => each.url ?? each).join(' ')}`);
  if (found.critical + found.high > 0) process.exitCode = 1;
}
