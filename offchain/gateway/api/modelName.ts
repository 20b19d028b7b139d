/** Which model of the configuration an app means. */
import { badRequest, GatewayError } from '../errors';

/**
 * The full name of the model that a request names: by that name, or by what follows the last slash, in any case, where
 * this means one model only. Throws 404 for a model that is not there, 400 for a name that means several.
 */
export function modelNamed(name: string, models: readonly string[]): string {
    if (models.includes(name)) {
        return name;
    }
    const short = (text: string) => text.split('/').at(-1)!.toLowerCase();
    const alike = models.filter((model) => !name.includes('/') && short(model) === name.toLowerCase());
    if (alike.length > 1) {
        throw badRequest(`The model is ambiguous: it may be ${alike.join(' or ')}`, 'model', 'ambiguous_model');
    }
    if (alike.length === 0) {
        const message = `This gateway has no such model; it has ${models.join(', ')}`;
        throw new GatewayError(404, 'model_not_found', message, { param: 'model' });
    }
    return alike[0];
}
