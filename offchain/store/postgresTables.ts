/**
 * The tables of the stores as PostgreSQL has them: those of workerTables.ts and gatewayTables.ts. Texts sort by their
 * bytes, as in SQLite, whatever the language of the database is.
 */
import { amountNames } from './jobSums';
import type { PostgresTables } from './postgresEngine';
import { ZERO } from './workerTables';

const amount = `bytea NOT NULL DEFAULT '\\x${ZERO.toString('hex')}'`;
const text = 'text COLLATE "C"';

const jobScript = `
CREATE TABLE "sharedTerms" (id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, bytes bytea NOT NULL UNIQUE);
CREATE TABLE jobs (
    job bytea PRIMARY KEY,
    member bigint NOT NULL,
    channel bytea NOT NULL UNIQUE, -- two jobs on one channel would each count on all of its money
    terms bytea NOT NULL, -- what it does not share
    shared bigint NOT NULL REFERENCES "sharedTerms" (id),
    client ${text} NOT NULL,
    model ${text} NOT NULL,
    tokenizer ${text} NOT NULL,
    "jobNumber" bigint NOT NULL,
    enc bytea NOT NULL,
    wire ${text} NOT NULL,
    state ${text} NOT NULL,
    highest bigint NOT NULL DEFAULT 0,
    "lowWater" bigint NOT NULL DEFAULT 0,
    "index" bigint NOT NULL DEFAULT 0,
    cumulative bytea NOT NULL,
    "voucherCumulative" bytea NOT NULL,
    "voucherCount" bigint NOT NULL DEFAULT 0,
    "voucherSignature" bytea,
    balance bytea NOT NULL,
    paid bytea NOT NULL,
    "refundAt" bigint NOT NULL,
    at bigint NOT NULL,
    "confirmedPaid" bytea NOT NULL,
    claimed ${amount},
    "lastClaimPaid" ${amount},
    "lastClaimAt" bigint NOT NULL DEFAULT 0,
    "unclaimedSince" bigint NOT NULL DEFAULT 0
);
CREATE VIEW "allJobs" AS
    SELECT jobs.*, (SELECT bytes FROM "sharedTerms" WHERE id = jobs.shared) AS "sharedTerms" FROM jobs;
CREATE INDEX unended_jobs ON jobs (job) WHERE state <> 'ended';
CREATE INDEX member_jobs ON jobs (member, job) WHERE state <> 'ended';
CREATE INDEX best_jobs ON jobs (cumulative) WHERE state <> 'ended';
CREATE INDEX lost_jobs ON jobs (at, job, "lastClaimAt")
    WHERE state = 'ended' AND "voucherCumulative" > "confirmedPaid";
CREATE INDEX unpruned_jobs ON jobs (at) WHERE state = 'ended' AND "lowWater" < highest;
CREATE TABLE queries (
    job bytea NOT NULL REFERENCES jobs (job),
    number bigint NOT NULL,
    request bytea NOT NULL,
    ceiling bytea NOT NULL,
    "promptEstimate" bigint NOT NULL,
    accept bytea,
    "endKind" ${text},
    "endReceipt" bytea,
    prompt bigint NOT NULL DEFAULT 0,
    cached bigint NOT NULL DEFAULT 0,
    completion bigint NOT NULL DEFAULT 0,
    reasoning bigint NOT NULL DEFAULT 0,
    "promptKnown" bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (job, number)
);
CREATE INDEX unended ON queries (job, number) WHERE "endKind" IS NULL;
CREATE TABLE answers (
    job bytea NOT NULL,
    number bigint NOT NULL,
    piece bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (job, number, piece),
    FOREIGN KEY (job, number) REFERENCES queries (job, number)
);
`;

const signingScript = `
CREATE TABLE signing (store bytea NOT NULL, "receiptKey" bytea);
INSERT INTO signing (store) VALUES (decode(replace(gen_random_uuid()::text, '-', ''), 'hex'));
CREATE TABLE sequences (member bigint PRIMARY KEY, sequence bigint NOT NULL);
CREATE TABLE retired ("receiptKey" bytea PRIMARY KEY);
`;

const caseScript = `
CREATE TABLE watched (lt bytea NOT NULL);
INSERT INTO watched (lt) VALUES ('\\x${ZERO.toString('hex')}');
CREATE TABLE cases (
    dispute bytea PRIMARY KEY,
    class ${text} NOT NULL,
    job bytea NOT NULL,
    number bigint NOT NULL,
    "reportedAt" bigint NOT NULL,
    "answerBy" bigint NOT NULL,
    standing ${text} NOT NULL
);
CREATE INDEX open_cases ON cases (job) WHERE standing = 'open';
CREATE TABLE denials (
    job bytea NOT NULL, -- may be unknown here
    number bigint NOT NULL,
    request bytea NOT NULL,
    receipt bytea NOT NULL,
    PRIMARY KEY (job, number, request)
);
`;

// SQLite gets these functions from the program.
const amountScript = `
CREATE FUNCTION nano_of(stored bytea) RETURNS numeric IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT CASE WHEN n < 0 THEN n::numeric + 18446744073709551616 ELSE n::numeric END
    FROM (SELECT ('x' || encode(stored, 'hex'))::bit(64)::bigint AS n) AS signed
$$;
CREATE FUNCTION nano_add(a text, b text) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS $$
    SELECT (a::numeric + b::numeric)::text
$$;
`;

const walletScript = `
CREATE TABLE movements (
    wallet bytea NOT NULL,
    lt bytea NOT NULL,
    number bigint NOT NULL,
    at bigint NOT NULL,
    kind ${text} NOT NULL,
    account ${text} NOT NULL,
    job bytea,
    "order" ${text},
    "isIncoming" bigint NOT NULL,
    "isBounced" bigint NOT NULL,
    amount bytea NOT NULL,
    PRIMARY KEY (wallet, lt, number)
);
CREATE INDEX movements_of_order ON movements ("order");
CREATE INDEX movements_of_job ON movements (job);
CREATE TABLE "movementSums" (
    wallet bytea NOT NULL,
    kind ${text} NOT NULL,
    "isIncoming" bigint NOT NULL,
    amount text NOT NULL,
    PRIMARY KEY (wallet, kind, "isIncoming")
);
CREATE FUNCTION movement_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO "movementSums" VALUES (new.wallet, new.kind, new."isIncoming", nano_of(new.amount)::text)
    ON CONFLICT (wallet, kind, "isIncoming") DO UPDATE SET amount = nano_add("movementSums".amount, excluded.amount);
    RETURN NULL;
END $$;
CREATE FUNCTION movement_deleted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE "movementSums" SET amount = nano_add(amount, (-nano_of(old.amount))::text)
    WHERE wallet = old.wallet AND kind = old.kind AND "isIncoming" = old."isIncoming";
    RETURN NULL;
END $$;
CREATE TRIGGER movement_added AFTER INSERT ON movements FOR EACH ROW EXECUTE FUNCTION movement_added();
CREATE TRIGGER movement_deleted AFTER DELETE ON movements FOR EACH ROW EXECUTE FUNCTION movement_deleted();
CREATE TABLE "walletCursor" (wallet bytea PRIMARY KEY, lt bytea NOT NULL, hash bytea NOT NULL);
CREATE TABLE sweeps (
    hash ${text} PRIMARY KEY, -- of the order
    seqno bigint NOT NULL,
    "from" bigint NOT NULL,
    "validUntil" bigint NOT NULL,
    account ${text} NOT NULL,
    amount bytea NOT NULL,
    state ${text} NOT NULL
);
`;

const intakeScript = `
CREATE TABLE intake (mode ${text} NOT NULL);
INSERT INTO intake (mode) VALUES ('open');
`;

const sumScript = `
CREATE TABLE "jobSums" (
    member bigint NOT NULL,
    state ${text} NOT NULL,
    jobs bigint NOT NULL DEFAULT 0,
    results bigint NOT NULL DEFAULT 0,
    ${amountNames.map((name) => `${name} text NOT NULL DEFAULT '0'`).join(', ')},
    PRIMARY KEY (member, state)
);
CREATE TABLE earnings (
    member bigint NOT NULL,
    "by" ${text} NOT NULL,
    "group" ${text} NOT NULL,
    results bigint NOT NULL,
    prompt bigint NOT NULL,
    cached bigint NOT NULL,
    completion bigint NOT NULL,
    reasoning bigint NOT NULL,
    earned ${text} NOT NULL,
    claimed ${text} NOT NULL,
    PRIMARY KEY (member, "by", "group")
);
CREATE VIEW "allEarnings" AS
    SELECT "by", "group", sum(results)::bigint AS results, sum(prompt)::bigint AS prompt,
        sum(cached)::bigint AS cached, sum(completion)::bigint AS completion, sum(reasoning)::bigint AS reasoning,
        sum(earned::numeric)::text COLLATE "C" AS earned, sum(claimed::numeric)::text COLLATE "C" AS claimed
    FROM earnings GROUP BY "by", "group";
CREATE TABLE claims (
    job bytea NOT NULL REFERENCES jobs (job),
    at bigint NOT NULL,
    amount bytea NOT NULL,
    last bigint NOT NULL
);
CREATE INDEX claims_of_job ON claims (job);
`;

export const postgresWorkerTables: PostgresTables = {
    schema: 'cocoon_worker',
    scripts: [jobScript, signingScript, caseScript, amountScript + walletScript, intakeScript, sumScript],
};

const gatewayScript = `
CREATE TABLE job (
    channel bytea PRIMARY KEY, number bigint NOT NULL, phase ${text} NOT NULL, model ${text} NOT NULL,
    worker ${text} NOT NULL, tier ${text} NOT NULL, hash bytea NOT NULL, terms bytea NOT NULL, deposit bytea NOT NULL,
    funds bytea NOT NULL, "validUntil" bigint NOT NULL, "createdAt" bigint NOT NULL, cumulative bytea, count bigint,
    signature bytea, note ${text} NOT NULL, "breachAt" bigint, found bigint, processes ${text}
);
CREATE INDEX "jobNumber" ON job (number);
CREATE INDEX "unendedJob" ON job (number) WHERE phase <> 'ended';
CREATE INDEX "overJob" ON job (number, channel) WHERE phase IN ('ended', 'failed');
CREATE TABLE query (
    job bigint NOT NULL, number bigint NOT NULL, phase ${text} NOT NULL,
    salt bytea NOT NULL, commitment bytea NOT NULL, request bytea NOT NULL, ceiling bytea NOT NULL,
    "promptBound" bigint NOT NULL, "stopBound" bigint NOT NULL, tokenizer ${text} NOT NULL, "askedAt" bigint NOT NULL,
    accept bytea, receipt bytea, "index" bigint, price bytea, cumulative bytea,
    "apiKey" ${text} NOT NULL DEFAULT '', -- '' for none
    PRIMARY KEY (job, number)
);
CREATE INDEX "openQuery" ON query (job, number) WHERE phase = 'open';
CREATE TABLE secret (
    job bigint NOT NULL, number bigint NOT NULL, secret bytea NOT NULL,
    PRIMARY KEY (job, number), FOREIGN KEY (job, number) REFERENCES query (job, number)
);
CREATE TABLE whole (
    job bigint NOT NULL, number bigint NOT NULL,
    session bytea NOT NULL, secret bytea NOT NULL, sealed bytea NOT NULL, answer bytea,
    PRIMARY KEY (job, number), FOREIGN KEY (job, number) REFERENCES query (job, number)
);
CREATE TABLE setback (
    job bigint PRIMARY KEY, worker ${text} NOT NULL, node bytea NOT NULL, cause ${text} NOT NULL, at bigint NOT NULL
);
CREATE INDEX "setbackAt" ON setback (at);
CREATE TABLE "apiKey" (
    name ${text} PRIMARY KEY, hash bytea NOT NULL, daily bytea, monthly bytea, models ${text},
    "createdAt" bigint NOT NULL, "expiresAt" bigint, "revokedAt" bigint
);
CREATE TABLE usage (
    day bigint NOT NULL, "apiKey" ${text} NOT NULL, model ${text} NOT NULL, worker ${text} NOT NULL,
    queries bigint NOT NULL, prompt bigint NOT NULL, cached bigint NOT NULL, completion bigint NOT NULL,
    reasoning bigint NOT NULL, cost bytea NOT NULL,
    PRIMARY KEY (day, "apiKey", model, worker)
);
`;

const gatewayMembersScript = `
ALTER TABLE job ADD COLUMN member bigint NOT NULL DEFAULT 1;
CREATE INDEX "jobOfMember" ON job (member, number) WHERE phase <> 'ended';
CREATE INDEX "openQueryOfKey" ON query ("apiKey") WHERE phase = 'open' AND "apiKey" <> '';
CREATE INDEX "usageOfKey" ON usage ("apiKey", day);
ALTER TABLE usage ADD COLUMN member bigint NOT NULL DEFAULT 1;
ALTER TABLE usage DROP CONSTRAINT usage_pkey;
ALTER TABLE usage ADD PRIMARY KEY (day, "apiKey", model, worker, member);
CREATE TABLE request (
    id bytea PRIMARY KEY,
    body bytea NOT NULL, -- hash
    member text NOT NULL, -- name of the lease
    token bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    "isOver" boolean NOT NULL DEFAULT false
);
CREATE INDEX "requestAt" ON request (at);
`;

export const postgresGatewayTables: PostgresTables = {
    schema: 'cocoon_gateway',
    scripts: [gatewayScript, gatewayMembersScript],
};
