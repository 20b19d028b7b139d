// The attester of a node under test: signs the report data it is given with the key of the test authority, as a process
// of its own. Arguments: seed of the authority (hex), measurement (hex), a file whose presence makes it fail, report
// data (hex), expiry.
const { createHash, createPrivateKey, sign } = require('node:crypto');
const { existsSync } = require('node:fs');

const [seed, measurement, broken, reportData, expiry] = process.argv.slice(2);
if (existsSync(broken)) {
    throw new Error('The machine makes no quotes now');
}
const prefix = Buffer.from('302e020100300506032b657004220420', 'hex'); // of an Ed25519 seed in PKCS #8
const key = createPrivateKey({
    key: Buffer.concat([prefix, Buffer.from(seed, 'hex')]),
    format: 'der',
    type: 'pkcs8',
});
const statement = createHash('sha256')
    .update('cocoon-market testca')
    .update(Buffer.from(reportData, 'hex'))
    .update(Buffer.from(measurement, 'hex'))
    .digest();
const signature = sign(null, statement, key).toString('hex');
console.log(JSON.stringify({ tier: 'testca', measurement, expiry: Number(expiry), signature }));
