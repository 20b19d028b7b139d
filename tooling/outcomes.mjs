// A jest reporter that writes file, full name and status of each test to the file that OUTCOMES names. Jest's own
// --json cannot write a failed comparison of bigints.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { root } from './files.mjs';

export default class Outcomes {
    onRunComplete(_, { testResults }) {
        const outcomes = testResults.flatMap(({ testFilePath, testResults: tests }) =>
            tests.map(({ fullName, status }) => ({ file: relative(root, testFilePath), name: fullName, status })),
        );
        writeFileSync(process.env.OUTCOMES, JSON.stringify(outcomes));
    }
}
