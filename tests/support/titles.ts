/** The titles of tests as their files write them, without running any. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '..', '..');

/**
 * Full titles of the tests in a file (from the repository's root), as patterns: `%s`, `$name` and `${...}` stand for
 * anything. Skipped tests are left out. None for a file that does not exist.
 */
export function titlesIn(file: string): RegExp[] {
    const path = join(ROOT, file);
    if (!existsSync(path)) {
        return [];
    }
    const source = ts.createSourceFile(file, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022);
    const titles: RegExp[] = [];
    const visit = (node: ts.Node, prefix: string): void => {
        const called = ts.isCallExpression(node)
            ? /^(describe|it)(\.each\b.*)?$/s.exec(node.expression.getText(source))
            : null;
        if (called !== null && ts.isCallExpression(node) && node.arguments.length > 1) {
            const title = prefix + patternOf(node.arguments[0], source);
            if (called[1] === 'it') {
                titles.push(new RegExp(`^${title}$`, 's'));
            } else {
                ts.forEachChild(node.arguments[1], (child) => visit(child, `${title} `));
            }
        } else {
            ts.forEachChild(node, (child) => visit(child, prefix));
        }
    };
    visit(source, '');
    return titles;
}

function patternOf(title: ts.Expression, source: ts.SourceFile): string {
    const escaped = (text: string) =>
        text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/%[a-z]|\\\$[a-z]\w*/gi, '.*');
    if (ts.isStringLiteralLike(title)) {
        return escaped(title.text);
    }
    if (ts.isTemplateExpression(title)) {
        return (
            escaped(title.head.text) + title.templateSpans.map(({ literal }) => `.*${escaped(literal.text)}`).join('')
        );
    }
    throw new Error(`A test's name is no text: ${title.getText(source)}`);
}
