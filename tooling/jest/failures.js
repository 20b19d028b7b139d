// A failed test reaches the main process of jest as JSON, which has no bigints and no cycles. One of either in an
// error, such as the amount that was expected, fails the whole file and hides which test failed. So such details are
// passed on as text. The message, which jest prints, stays.
const { inspect } = require('node:util');

/** Replaces the details of these errors that JSON cannot carry. What is no object stays. */
function withoutUnserializable(errors) {
    for (const error of errors.flat()) {
        if (typeof error !== 'object' || error === null) continue;
        for (const [name, detail] of Object.entries(error)) {
            if (!fitsJson(detail)) error[name] = inspect(detail);
        }
    }
}

function fitsJson(detail) {
    try {
        JSON.stringify(detail);
        return true;
    } catch {
        return false;
    }
}

module.exports = { withoutUnserializable };
