import { setCatalogue } from '@cocoon-market/wrappers';
import { flag, readCatalogue, registryScript } from '../scripting';

export const run = registryScript({
    name: 'setCatalogue',
    group: 'governor',
    about: 'Names the published list of models by its SHA-256. From the governor.',
    flags: { catalogue: flag.file.optional('the list; default: params/catalogue.json') },
    step: (_session, _opened, { catalogue = 'params/catalogue.json' }) => {
        const { hash, models } = readCatalogue(catalogue);
        return {
            will: `name ${catalogue} with ${models.length} models: ${models.join(', ')}`,
            done: (state) => (state.catalogue === hash ? `the registry names ${catalogue} already` : undefined),
            action: (actor, at) => setCatalogue(actor, { registry: at, catalogue: hash }),
        };
    },
});
