// Tells Stryker what is no code to mutate: lines of the log, and texts of errors and reasons for people to read.
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

const SQL = /[?=@<>*]|\b(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|SET|FROM|WHERE|PRAGMA|CREATE|SAVEPOINT|ROLLBACK)\b/;

/** True for a text in words. SQL is code. */
export const isProse = (text) => /\S\s+\S/.test(text) && !SQL.test(text);

function textOf({ node }) {
    if (node.type === 'StringLiteral') return node.value;
    return node.type === 'TemplateLiteral' ? node.quasis.map(({ value }) => value.cooked).join('x') : undefined;
}

const isLog = ({ node }) =>
    node.type === 'CallExpression' &&
    node.callee.type === 'MemberExpression' &&
    ['log', 'logger'].includes(node.callee.object.property?.name ?? node.callee.object.name);

const ignorer = {
    shouldIgnore(path) {
        if (isLog(path)) return 'It is a line of the log.';
        const text = textOf(path);
        return text !== undefined && path.parent.type !== 'TaggedTemplateExpression' && isProse(text)
            ? 'It is a text for people.'
            : undefined;
    },
};

export const strykerPlugins = [declareValuePlugin(PluginKind.Ignore, 'texts', ignorer)];
