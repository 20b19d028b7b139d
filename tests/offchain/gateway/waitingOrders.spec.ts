/** An order of the escrow whose outcome not every endpoint shows. */
import { Channel, channelCodes, channelData, type EscrowState } from '@cocoon-market/wrappers';
import { Cell } from '@ton/core';
import { request } from 'undici';
import { type ChainAccount, ChainError } from '../../../offchain/chain';
import { useMarket } from '../../support/market';
import { ask, type Bench, MODEL, SandboxChain, startBench, until } from './support';

describe('A gateway that waits for an order', () => {
    const market = useMarket();
    let bench: Bench;

    beforeEach(async () => {
        bench = await startBench(market());
    });
    afterEach(() => bench.close());

    /** An endpoint that shows what the chain has, beside `other`. */
    const beside = (other: object) => {
        const { chain } = bench;
        const own = { account: chain.account.bind(chain), open: chain.open.bind(chain) };
        Object.assign(chain, { others: [own, other] });
    };

    it('opens a job though one of its endpoints is dead and an earlier order lapsed', async () => {
        const dead = async () => Promise.reject(new ChainError('it is dead'));
        beside({ account: dead, open: () => ({ getSeqno: dead }) });
        bench.chain.beforeSend = () => {
            bench.chain.beforeSend = () => undefined;
            market().blockchain.now = market().now + 3600;
            throw new ChainError('HTTP 504');
        };
        expect((await bench.post(ask)).status).toBe(200);
    });

    it('keeps no place for an app that goes away meanwhile', async () => {
        await bench.restart({ maxQueries: 2, metrics: { port: 0 } });
        let send: (() => void) | undefined;
        bench.chain.beforeSend = () => new Promise<void>((resolve) => (send = resolve));
        const running = async () => {
            const text = await (await request(bench.gateway.metricsUrl!)).body.text();
            return Number(/^cocoon_gateway_running_queries (\d+)$/m.exec(text)![1]);
        };
        const app = new AbortController();
        const asked = Array.from({ length: 2 }, () =>
            request(`${bench.gateway.url}/v1/chat/completions`, {
                ...{ method: 'POST', body: JSON.stringify(ask), signal: app.signal },
                headers: { 'content-type': 'application/json' },
            }),
        );
        const gone = Promise.allSettled(asked);
        await until(async () => send !== undefined && (await running()) === 2);
        app.abort();
        await gone;

        await until(async () => (await running()) === 0);
        send!();
        expect((await bench.post(ask)).headers['x-cocoon-query']).toBe('1');
        expect(bench.chain.sent).toBe(1);
    });

    describe('whose first endpoint hides its channels', () => {
        const hide = (truth: { at: number }) => {
            return { state: 'uninitialized' as const, balance: 0n, code: undefined, data: undefined, at: truth.at };
        };

        beforeEach(() => {
            bench.chain.lie = (address, truth) => (address.equals(market().escrow.address) ? truth : hide(truth));
        });

        it('opens a job that another endpoint shows', async () => {
            const { chain } = bench;
            beside({ account: chain.truth.bind(chain), open: chain.open.bind(chain) });
            expect((await bench.post(ask)).status).toBe(200);
            expect(chain.sent).toBe(1);
        });

        it('orders no job after job that nobody shows', async () => {
            for (let question = 0; question < 6; question++) {
                expect((await bench.post(ask)).status).toBe(503);
            }
            expect(bench.chain.sent).toBe(2); // as many as one node may spoil
        });
    });

    describe('whose first endpoint lies', () => {
        const isEscrow = (address: { hash: Buffer }) => address.hash.equals(market().escrow.address.hash);
        const tellTruthBeside = () => {
            const { chain } = bench;
            const sendExternal = chain.sendExternal.bind(chain);
            beside({ account: chain.truth.bind(chain), open: chain.open.bind(chain), sendExternal });
        };

        it('orders one job for all questions though that endpoint says that channels are empty', async () => {
            bench.chain.lie = (address, truth) =>
                !isEscrow(address) && truth.state === 'active' ? { ...truth, balance: 1n } : truth;
            for (let question = 0; question < 6; question++) {
                expect((await bench.post(ask)).status).toBe(200);
            }
            expect(bench.chain.sent).toBe(1);
        });

        it('orders nothing for the far future that this endpoint tells of, and blames no node for it', async () => {
            tellTruthBeside();
            const far = 100 * 86_400;
            bench.chain.lie = (address, truth) => (isEscrow(address) ? { ...truth, at: truth.at + far } : truth);
            expect((await bench.post(ask)).status).toBe(200);
            expect(bench.gateway.book.all.map(({ stored }) => stored.validUntil)).toEqual([market().now + 120]);
            expect((await bench.admin('status')).spoiled.today).toBe(0);
        });

        it('has another endpoint carry what this one makes up a channel for', async () => {
            tellTruthBeside();
            bench.chain.sendExternal = async () => undefined;
            const [code] = await channelCodes();
            bench.chain.lie = (address, truth): ChainAccount => {
                const job = bench.gateway.book.all.find(({ channel }) => channel.equals(address));
                if (job === undefined) {
                    return truth;
                }
                const data = channelData(market().escrow.address, job.parameters);
                return { ...truth, state: 'active', balance: job.stored.deposit, code, data };
            };
            expect((await bench.post(ask)).status).toBe(200);
            expect(await market().seqno()).toBe(1);
        });

        it.each([
            ['', {}],
            [', and shows its deposit there', { balance: 1_000_000_000n }],
        ])('has another endpoint carry what this one deploys the channel for with less%s', async (_, change) => {
            tellTruthBeside();
            bench.chain.lie = (address, truth) => (isEscrow(address) ? truth : { ...truth, ...change });
            const stranger = await market().blockchain.treasury('stranger');
            bench.chain.sendExternal = async () => {
                const [{ parameters }] = bench.gateway.book.all;
                const { address, init } = await Channel.ofJob(market().escrow.address, parameters);
                await stranger.send({ to: address, value: 20_000_000n, init });
            };
            expect((await bench.post(ask)).status).toBe(200);
            expect(await market().seqno()).toBe(1);
        });

        /** What that endpoint says of the escrow, beside one that tells the truth. */
        const lieOfTheEscrow = (change: (state: EscrowState) => object) => {
            const { chain } = bench;
            const open = chain.open.bind(chain);
            chain.others = [chain, new SandboxChain(market())];
            chain.open = ((contract: never) => {
                const opened = open(contract) as unknown as Record<string, () => Promise<EscrowState>>;
                const getEscrowState = async () => {
                    const state = await opened.getEscrowState();
                    return { ...state, ...change(state) };
                };
                return new Proxy(opened, {
                    get: (all, name: string) => (name === 'getEscrowState' ? getEscrowState : all[name]),
                });
            }) as never;
        };

        it.each([
            ['has another spend key', { spendKey: 1n }],
            ['may spend nothing today', { dayLimit: 0n }],
        ])('opens a job though that endpoint says that the escrow %s', async (_, change) => {
            lieOfTheEscrow(() => change);
            expect((await bench.post(ask)).status).toBe(200);
            expect(bench.chain.sent).toBe(1);
        });

        it('opens a job by another endpoint once this one has named a number that was used', async () => {
            expect((await bench.post(ask)).status).toBe(200);
            market().blockchain.now = market().now + 10;
            lieOfTheEscrow(() => ({ seqno: 0n }));
            const job = await bench.gateway.opener.openAnother(MODEL, new Set());

            expect(job.phase).toBe('open');
            expect(await market().seqno()).toBe(2);
        });

        it.each([
            ['another state of the escrow', (truth: ChainAccount) => ({ ...truth, data: Cell.EMPTY })],
            ['a time that stands still', (truth: ChainAccount, start: number) => ({ ...truth, at: start })],
        ])(
            'opens a job by another endpoint though this one named a number to come, and shows %s',
            async (_, change) => {
                lieOfTheEscrow(({ seqno }) => ({ seqno: seqno + 5n }));
                const { chain } = bench;
                chain.sendExternal = async () => undefined;
                const start = market().now;
                chain.lie = (address, truth) => (isEscrow(address) ? change(truth, start) : truth);
                const asked = bench.post(ask);
                let isOver = false;
                void asked.finally(() => (isOver = true));
                await until(() => bench.gateway.book.all.some(({ phase }) => phase === 'ordered'));
                await until(() => {
                    market().blockchain.now = market().now + 60;
                    return isOver;
                }, 20_000);

                expect((await asked).status).toBe(200);
                expect(await market().seqno()).toBe(1);
            },
        );

        it('orders nothing by an endpoint that spoiled an order, also after one that was taken', async () => {
            lieOfTheEscrow(({ seqno }) => ({ seqno: seqno === 0n ? 0n : seqno - 1n }));
            for (let job = 0; job < 3; job++) {
                expect((await bench.gateway.opener.openAnother(MODEL, new Set())).phase).toBe('open');
                market().blockchain.now = market().now + 10;
            }
            const lapsed = bench.log.filter((line) => line.includes('an order was not taken'));

            expect(lapsed).toHaveLength(1);
            expect(await market().seqno()).toBe(3);
        });

        it('blames no node that does not see a channel which this endpoint made up, and asks another for the next', async () => {
            lieOfTheEscrow(({ seqno }) => ({ seqno: seqno + 5n }));
            const { chain } = bench;
            chain.sendExternal = async () => undefined;
            const [code] = await channelCodes();
            chain.lie = (address, truth): ChainAccount => {
                const made = bench.gateway.book.all.find(({ channel }) => channel.equals(address));
                return made?.number === 20
                    ? { ...truth, state: 'active', code, data: channelData(market().escrow.address, made.parameters) }
                    : truth;
            };
            bench.worker.refuseJob = 'wrong_channel';
            expect(await bench.post(ask)).toMatchObject({ status: 503, body: { error: { code: 'chain' } } });
            bench.worker.refuseJob = undefined;

            expect((await bench.post(ask)).status).toBe(200);
            expect((await bench.admin('status')).spoiled.today).toBe(0);
        });

        it('keeps the job whose number this endpoint names once more', async () => {
            expect((await bench.post(ask)).status).toBe(200);
            const [job] = bench.gateway.book.all;
            market().blockchain.now = market().now + 10;
            lieOfTheEscrow(() => ({ seqno: 0n }));
            bench.chain.others = undefined;

            await expect(bench.gateway.opener.openAnother(MODEL, new Set())).rejects.toThrow('number of job 0 again');
            expect(bench.gateway.book.all).toEqual([job]);
            expect(bench.chain.sent).toBe(1);
        });

        it('opens a job though another endpoint never shows its channel', async () => {
            const { chain } = bench;
            const account = async () => ({ ...(await chain.truth(market().payout.address)), code: undefined });
            beside({ account, open: chain.open.bind(chain) });
            expect((await bench.post(ask)).status).toBe(200);
            expect(chain.sent).toBe(1);
        });
    });
});
