import { announceDemand, modelKey } from '@cocoon-market/wrappers';
import { flag, readCatalogue, registryFlag, registryOf, script, ScriptError } from '../scripting';

export const run = script({
    name: 'announceDemand',
    group: 'anyone',
    about: 'Announces to providers what a client is going to buy. It binds nobody. From anyone.',
    flags: {
        ...registryFlag,
        model: flag.text.required("the model's id in params/catalogue.json"),
        queries: flag.count.required('queries a day'),
        for: flag.duration.required('how long, such as 30d'),
    },
    prepare: async (session, { registry, model, queries, for: seconds }) => {
        const at = await registryOf(session, registry);
        const { models } = readCatalogue('params/catalogue.json');
        if (!models.includes(model)) {
            throw new ScriptError(`"${model}" is not in params/catalogue.json`, `there are ${models.join(', ')}`);
        }
        const endsAt = (await session.now()) + seconds;
        const demand = { model: modelKey(model), queriesPerDay: queries, endsAt };
        const newestBefore = await session.newest(at);
        return {
            found: [
                ['registry', session.format(at)],
                ['model', model],
            ],
            will: [`announce ${queries} queries a day for ${flag.formatDuration(seconds)}`],
            messages: await session.rehearse((actor) => announceDemand(actor, { registry: at, ...demand })),
            settled: async () => (await session.newest(at)) > newestBefore,
        };
    },
});
