/** The models that this release knows. */
import catalogue from '../../params/catalogue.json';

/** Their ids. */
export const catalogueIds: readonly string[] = catalogue.models.map(({ id }) => id);
