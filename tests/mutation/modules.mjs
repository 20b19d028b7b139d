/**
 * What counts money off chain, in modules that are mutated one after another. `mutate`: its files; `tests`: the files
 * whose tests are run for a mutant, if they reach it.
 */
export const modules = {
    signed: {
        mutate: ['wrappers/signed/{answer,layout,orders,payloads,terms}.ts', 'wrappers/keys.ts'],
        tests: ['tests/signed.spec.ts', 'tests/wrappers/fields.spec.ts', 'tests/market/receipt.spec.ts'],
    },
    credit: {
        mutate: ['offchain/worker/{allowance,credit,queryCost,damage}.ts'],
        tests: ['tests/offchain/worker/{allowance,credit,creditExamples,recordDamage}.spec.ts'],
    },
    ledger: {
        mutate: ['offchain/payer/{check,ledger}.ts'],
        tests: ['tests/offchain/gateway/{check,ledger}.spec.ts'],
    },
    payments: {
        mutate: ['offchain/payer/money.ts'],
        tests: ['tests/offchain/gateway/{money,payments}.spec.ts'],
    },
    answers: {
        mutate: ['offchain/payer/{incoming,stored}.ts'],
        tests: ['tests/offchain/gateway/{incoming,stored}.spec.ts'],
    },
    prices: {
        mutate: ['wrappers/{money,price}.ts', 'wrappers/market/quote.ts'],
        tests: ['tests/money.spec.ts', 'tests/market/{offers,prices}.spec.ts'],
    },
    workerStore: {
        mutate: ['offchain/store/{jobRows,jobSums,leftOut,sqlEarnings,sqlJobs,sqlQueries,sqliteJobs,sqliteQueries}.ts'],
        tests: ['tests/offchain/store/{sqliteWorker,jobSums,leftOut,workerMembers,forgotten}.spec.ts'],
    },
    gatewayStore: {
        mutate: ['offchain/store/{gatewayTables,queryRows,sqlGateway,sqlPeople,sqliteGateway}.ts'],
        tests: ['tests/offchain/store/{sqliteGateway,gatewayTakeover,forgotten}.spec.ts'],
    },
    commits: {
        mutate: ['offchain/store/{database,groupCommit,hotRows,writeQueue}.ts'],
        tests: ['tests/offchain/store/{database,groupCommit,hotRows,workerMembers}.spec.ts'],
    },
};
