import { announceDemand, modelKey } from '@cocoon-market/wrappers';
import { count, duration, formatDuration, text } from '../scripting/flags';
import { readCatalogue } from '../scripting/profile';
import { registryFlag, registryOf } from '../scripting/record';
import { ScriptError } from '../scripting/scriptError';
import { script } from '../scripting/script';

export const run = script({
    name: 'announceDemand',
    group: 'anyone',
    about: 'Announces to providers what a client is going to buy. It binds nobody. From anyone.',
    flags: {
        ...registryFlag,
        model: text.required("the model's id in params/catalogue.json"),
        queries: count.required('queries a day'),
        for: duration.required('how long, such as 30d'),
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
            will: [`announce ${queries} queries a day for ${formatDuration(seconds)}`],
            messages: await session.rehearse((actor) => announceDemand(actor, { registry: at, ...demand })),
            settled: async () => (await session.newest(at)) > newestBefore,
        };
    },
});
