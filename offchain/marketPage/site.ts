/** What every page is made of: the reading, and the names of accounts and models. */
import { isTestOnly } from '@cocoon-market/wrappers';
import type { MarketNode } from '../indexer/models';
import type { Reading, Snapshot } from './data';
import { Accounts } from './format';
import type { Html } from './html';
import type { MeasuredSpeeds } from './measured';
import type { NameBook } from './names';
import type { List } from './table';

/** A page, each form made only when it is asked for. */
export interface Page {
    title: string;
    status?: number;
    body: () => Html;
    json: () => unknown;
    csv: () => string;
    /** A list: its forms have pages. */
    list?: List<never>;
}

export interface Site {
    reading: Reading;
    snapshot: Snapshot;
    accounts: Accounts;
    models: NameBook;
    measured: MeasuredSpeeds | undefined;
}

export const accountsOf = (network: number): Accounts => new Accounts(isTestOnly(network));

/** Nodes that sell now. */
export const isSelling = ({ open, knownCode, providerJailed }: MarketNode): boolean =>
    open && knownCode && providerJailed !== true;
