/** The arithmetic of translation.ts on bigints. */
import { Arithmetic } from './translation';

export const bigints: Arithmetic<bigint, boolean> = {
    of: (value) => value,
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    times: (a, factor) => a * factor,
    product: (a, b) => a * b,
    over: (a, divisor) => {
        const [quotient, rest] = [a / divisor, a % divisor];
        return rest < 0n ? quotient - 1n : quotient; // Tact rounds down, bigints towards 0
    },
    min: (a, b) => (a < b ? a : b),
    max: (a, b) => (a > b ? a : b),
    choose: (condition, yes, no) => (condition ? yes : no),
    equal: (a, b) => a === b,
    above: (a, b) => a > b,
    atLeast: (a, b) => a >= b,
    all: (...conditions) => conditions.every((condition) => condition),
    any: (...conditions) => conditions.some((condition) => condition),
    not: (condition) => !condition,
};
