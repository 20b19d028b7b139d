/** The order of what is exported. */

/** Orders by fields that are texts, by their bytes. */
export function by<T extends Record<K, string>, K extends string>(...fields: K[]): (one: T, other: T) => number {
    return (one, other) => {
        const field = fields.find((name) => one[name] !== other[name]);
        return field === undefined ? 0 : one[field] < other[field] ? -1 : 1;
    };
}
