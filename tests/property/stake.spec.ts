import { drawActions, failureOf, shortened } from './episode';
import { StakeMarket } from './market';

describe('Stake, slots, shares, keys and cases, beside a model written from the documents', () => {
    it('hold what the model foretells through random actions, and every case ends', async () => {
        const market = await StakeMarket.launch();

        const failure = await failureOf(market, drawActions(1, 250));

        expect(failure).toBeUndefined();
    });

    it('hold it where rules change before or after a share falls and a node closes: the first actions of seed 7', async () => {
        const market = await StakeMarket.launch();

        const failure = await failureOf(market, drawActions(7, 90));

        expect(failure).toBeUndefined();
    });

    it('are told from a model that keeps a nanoTON too many, by the one action that shows it', async () => {
        const market = await StakeMarket.launch();
        const begin = market.begin.bind(market);
        market.begin = async () => {
            await begin();
            const { model } = market;
            const addStake = model.addStake.bind(model);
            model.addStake = (p, amount) => addStake(p, amount + 1n);
        };
        const kinds = ['unbond', 'addStake'] as const;
        const actions = drawActions(1, kinds.length).map(({ dice }, index) => ({ kind: kinds[index], dice }));

        const short = await shortened(market, actions);

        expect(short.map(({ kind }) => kind)).toEqual(['addStake']);
        expect((await failureOf(market, short))?.message).toContain('balance of the provider');
    });
});
