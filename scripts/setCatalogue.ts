import { setCatalogue } from '@cocoon-market/wrappers';
import { file } from '../scripting/flags';
import { registryTask } from '../scripting/governor';
import { readCatalogue } from '../scripting/profile';
import { registryFlag } from '../scripting/record';
import { script } from '../scripting/script';

export const run = script({
    name: 'setCatalogue',
    group: 'governor',
    about: 'Names the published list of models by its SHA-256. From the governor.',
    flags: { ...registryFlag, catalogue: file.optional('the list; default: params/catalogue.json') },
    prepare: (session, { registry, catalogue = 'params/catalogue.json' }) => {
        const { hash, models } = readCatalogue(catalogue);
        return registryTask(session, {
            registry,
            will: `name ${catalogue} with ${models.length} models: ${models.join(', ')}`,
            done: (state) => (state.catalogue === hash ? `the registry names ${catalogue} already` : undefined),
            action: (actor, at) => setCatalogue(actor, { registry: at, catalogue: hash }),
        });
    },
});
