import { bytesToNumber, changeNode, liabilityRules, Node, nodeChanges, numberToHex } from '@cocoon-market/wrappers';
import { flag, providerScript, readFleet, ScriptError, when } from '../scripting';

// Seconds. An end that is this near comes no sooner by another message, which takes up to a minute to arrive.
const NEAR = liabilityRules.keyNotice + 60;

export const run = providerScript({
    name: 'endKey',
    about: "Ends a node's receipt key after the notice of two minutes, as after a theft. From owner or operator.",
    flags: {
        node: flag.count.required("the node's number, as checkFleet shows it"),
        receiptKey: flag.key.optional('the key, current or rotated; the current one unless given'),
    },
    step: async (session, { at, provider }, { node: number, receiptKey }) => {
        const found = (await readFleet(session.reader(), at)).find((one) => one.number === number);
        if (found === undefined || !found.open) {
            throw new ScriptError(`There is no open node ${number}`, 'checkFleet lists the nodes');
        }
        const ending = receiptKey === undefined ? found.receiptKey : bytesToNumber(receiptKey);
        if (ending === 0n) {
            return `node ${number} has no receipt key`;
        }
        const { codeVersion } = found;
        const address = await provider.getNodeAddress(BigInt(number), BigInt(codeVersion));
        const node = session.openContract(Node.fromAddress(address));
        const endsAt = async () => Number((await node.getKeyLiability(ending)).endsAt);
        const isEnding = async () => (await endsAt()) <= (await session.now()) + NEAR;
        const end = await endsAt();
        if (end === 0) {
            throw new ScriptError(
                `Node ${number} has no receipt key ${numberToHex(ending)}`,
                'checkFleet shows the current one',
            );
        }
        if (await isEnding()) {
            return `receipt key ${numberToHex(ending)} ends at ${when(end)}`;
        }
        const { operator } = await provider.getMembership();
        return {
            will: `end receipt key ${numberToHex(ending)} of node ${number}; applyFleet sets the next one`,
            action: (actor, providerAddress) =>
                changeNode(actor, {
                    provider: providerAddress,
                    number,
                    codeVersion,
                    change: nodeChanges.endKey(ending),
                }),
            done: isEnding,
            anyone: operator?.equals(session.actor) === true,
        };
    },
});
