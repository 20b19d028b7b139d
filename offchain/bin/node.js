// Loaded before anything else: refuses a version of Node.js that is not among those stated in package.json ("engines").
const { engines } = require('../package.json');

const numbersOf = (text) => text.match(/\d+/g).map(Number);

/**
 * Why this version does not do, such as '22.4.0'; undefined when it does. `stated`: ranges such as '^20.19.0 ||
 * ^24.0.0'.
 */
function refusalOf(version, stated = engines.node) {
    const [major, minor] = numbersOf(version);
    const fits = stated
        .split('||')
        .map(numbersOf)
        .some(([lowestMajor, lowestMinor]) => major === lowestMajor && minor >= lowestMinor);
    return fits ? undefined : `Node.js ${version} is not tried here: use one of ${stated}`;
}

module.exports = { refusalOf };

const refusal = refusalOf(process.versions.node);
if (refusal !== undefined) {
    console.error(refusal);
    process.exit(1);
}
