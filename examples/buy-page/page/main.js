/** The page that buys: one market, one wallet, and what this browser keeps for it. */
import { indexedStore } from '@cocoon-market/client'; // first, because it brings the Buffer that @ton/core expects
import { formatTon, maxRates } from '@cocoon-market/wrappers';
import { TonClient } from '@ton/ton';
import { Account, networkName } from '../src/account';
import { amountOf, limitsOf, lossOf, rateText, ton } from '../src/amounts';
import { WalletRejected } from '../src/outbox';
import { readSettings } from '../src/settings';
import { Shop } from '../src/shop';
import { shortName, wordsOf } from '../src/words';
import { JobCards } from './jobs';
import { byId, element, setFigures, setText, shortAddress, show, timeOf } from './parts';
import { onlyTab, unfitPlace } from './place';
import { WalletLink } from './wallet';

const NAME = 'cocoon-buy';
const REFRESH_MS = 3000;
const CHOICES_MS = 60_000;

const KINDS = { setUp: 'the deposit and the limits', withdraw: 'the withdrawal' };

class Page {
    constructor() {
        this.shop = undefined;
        this.account = undefined;
        this.wallet = undefined; // that is connected
        this.choices = [];
        this.choicesAt = 0;
        this.cards = new JobCards(this);
        this.link = undefined;
        this.refreshing = undefined;
        this.turn = Promise.resolve();
    }

    /** Begins; once only in a browser, because two tabs would use the same keys. */
    async start() {
        byId('retry').onclick = () => this.run(() => this.open());
        byId('disconnect').onclick = () => this.run(() => this.link.disconnect());
        byId('withdraw').onclick = () => this.run(() => this.withdraw());
        byId('set-up-form').addEventListener('submit', (event) => {
            event.preventDefault();
            this.run(() => this.setUp(), 'set-up-problem');
        });
        byId('set-up-form').addEventListener('input', () => {
            show(byId('set-up-problem'), undefined);
            this.showLoss();
        });
        byId('job-form').addEventListener('submit', (event) => {
            event.preventDefault();
            this.run(() => this.openJob(), 'job-problem');
        });
        const unfit = unfitPlace();
        if (unfit !== undefined) {
            setText(byId('state'), unfit);
            return;
        }
        await onlyTab(NAME, () => {
            setText(
                byId('state'),
                'This page is open in another tab. Close that one: two tabs with the same keys could pay twice. ' +
                    'This tab goes on by itself then.',
            );
        });
        void navigator.storage?.persist?.();
        await this.run(() => this.open());
        setInterval(() => void this.refresh(), REFRESH_MS);
    }

    /** Opens the market, then the wallet of an earlier load. */
    async open() {
        byId('retry').hidden = true;
        setText(byId('state'), 'Looking for the market …');
        byId('state').hidden = false;
        try {
            if (this.shop === undefined) {
                const response = await fetch('./market.json', { cache: 'no-store' });
                if (!response.ok)
                    throw new Error('There is no market.json beside this page: README.md says what it holds');
                const settings = readSettings(await response.json());
                const chain = new TonClient({ endpoint: settings.endpoint });
                const { get, put } = indexedStore(NAME); // without its lock: this tab is the only one
                this.shop = await Shop.open(settings, chain, { get, put });
            }
            show(byId('network'), networkName(this.shop.network));
            if (this.link === undefined) {
                this.link = new WalletLink((wallet) => this.run(() => this.setWallet(wallet)));
                await this.link.restore();
                await this.turn;
            }
            if (this.wallet === undefined) await this.showConnect();
            else if (this.account === undefined) await this.openAccount(this.wallet);
        } catch (error) {
            setText(byId('state'), wordsOf(error));
            byId('retry').hidden = false;
        }
    }

    async showConnect() {
        byId('state').hidden = true;
        byId('columns').hidden = true;
        byId('connect').hidden = false;
        await this.link.list();
    }

    /** A wallet has connected, or is gone. One after the other. */
    setWallet(wallet) {
        this.turn = this.turn.then(async () => {
            const account = this.account;
            this.account = undefined;
            this.wallet = wallet;
            this.cards.clear();
            await account?.close();
            show(byId('owner'), wallet && shortAddress(friendly(wallet.address, wallet.network)));
            byId('disconnect').hidden = wallet === undefined;
            show(byId('pending'), undefined);
            if (wallet === undefined) await this.showConnect();
            else await this.openAccount(wallet);
        });
        return this.turn;
    }

    async openAccount(wallet) {
        byId('connect').hidden = true;
        setText(byId('state'), 'Reading your deposit …');
        byId('state').hidden = false;
        try {
            this.account = await Account.open(this.shop, wallet);
            await this.refresh();
        } catch (error) {
            setText(byId('state'), wordsOf(error));
            byId('retry').hidden = wallet.network !== this.shop.network;
        }
    }

    /** Reads the chain again, and shows it. At most one reading at a time; `true` if it succeeded. */
    refresh() {
        this.refreshing ??= this.read().finally(() => (this.refreshing = undefined));
        return this.refreshing;
    }

    async read() {
        const { account } = this;
        if (account === undefined) return;
        try {
            const outcome = await account.refresh();
            if (Date.now() - this.choicesAt > CHOICES_MS) {
                this.choices = await this.shop.choices();
                this.choicesAt = Date.now();
                this.showChoices();
            }
            if (account !== this.account) return;
            byId('state').hidden = true;
            byId('columns').hidden = false;
            this.tellOutcome(outcome);
        } catch (error) {
            if (account !== this.account) return;
            setText(byId('state'), wordsOf(error));
            byId('state').hidden = false;
            return;
        }
        this.showAccount(account);
    }

    tellOutcome({ type, kind, error }) {
        const done = {
            setUp: 'Your deposit is there, and the key of this browser can open jobs.',
            withdraw: 'The money is on its way to your wallet.',
        };
        if (type === 'done') this.tell(done[kind]);
        if (type === 'done' && kind === 'setUp') byId('deposit').value = '0';
        if (type === 'refused') this.tell(wordsOf(error));
        if (type === 'expired')
            this.tell(`Your wallet did not send ${KINDS[kind]} in time. Nothing was sent: you can ask it again.`);
    }

    /** Says what happened. */
    tell(text) {
        show(byId('news'), text);
    }

    showAccount(account) {
        const { escrow, pending, orders, jobs, isOrdering } = account;
        const inJobs = jobs.reduce((sum, { job, claimed, isGone }) => sum + (isGone ? 0n : job.deposit - claimed), 0n);
        setFigures(byId('money'), {
            'In your deposit': escrow.balance,
            'In open jobs': inJobs,
            'Can be withdrawn': escrow.withdrawable,
            ...(escrow.exists && { 'Remaining today': escrow.dayRemaining }),
        });
        setText(byId('key-state'), keyText(escrow));
        show(byId('pending'), pending && pendingText(pending));
        byId('withdraw').disabled = pending !== undefined || escrow.withdrawable === 0n;
        setText(
            byId('withdraw-note'),
            escrow.exists ? `${ton(escrow.reserve)} stay for the rent of your deposit's account.` : '',
        );
        byId('set-up-send').disabled = pending !== undefined;
        if (byId('set-up').dataset.shown !== escrow.key) {
            byId('set-up').dataset.shown = escrow.key;
            byId('set-up').open = escrow.key !== 'ours';
            if (escrow.key === 'ours') this.fillLimits(escrow);
        }
        byId('new-job').hidden = escrow.key !== 'ours';
        byId('job-open').disabled = isOrdering || this.isOpening === true || this.choices.length === 0;
        byId('orders').replaceChildren(
            ...orders.map(({ deposit, model }) =>
                element('li', { text: `A job of ${ton(deposit)} for ${shortName(model)} is being opened …` }),
            ),
        );
        this.showLoss();
        this.cards.update(account);
    }

    /** What is set now, and no new deposit, so that who changes a limit deposits nothing. */
    fillLimits({ jobLimit, dayLimit }) {
        byId('deposit').value = '0';
        byId('job-limit').value = formatTon(jobLimit);
        byId('day-limit').value = formatTon(dayLimit);
    }

    showLoss() {
        const { account } = this;
        if (account === undefined) return;
        const { escrow, setUpFee } = account;
        try {
            const limits = limitsOf(this.limitTexts(), escrow.balance);
            setText(byId('loss'), lossOf(limits, escrow.balance));
            setText(
                byId('asked'),
                `Your wallet will be asked for ${ton(limits.deposit + setUpFee)}. ` +
                    `What the chain does not use of the last ${ton(setUpFee)} comes back.`,
            );
        } catch (error) {
            setText(byId('loss'), error.message);
            setText(byId('asked'), '');
        }
    }

    limitTexts() {
        const [deposit, jobLimit, dayLimit] = ['deposit', 'job-limit', 'day-limit'].map((id) => byId(id).value);
        return { deposit, jobLimit, dayLimit };
    }

    async setUp() {
        const { account } = this;
        const limits = limitsOf(this.limitTexts(), account.escrow.balance);
        await this.ask(account, () => account.setUp(this.link, limits));
    }

    async withdraw() {
        const { account } = this;
        await this.ask(account, () => account.withdraw(this.link));
    }

    /** Asks the wallet, and shows at once that it was asked. */
    async ask(account, send) {
        this.tell(undefined);
        const sending = send();
        setTimeout(() => this.account === account && this.showAccount(account), 300);
        try {
            await sending;
        } catch (error) {
            if (!(error instanceof WalletRejected)) throw error;
            this.tell(wordsOf(error));
        }
        if (this.account === account) await this.refresh();
    }

    async openJob() {
        const { account } = this;
        const chosen = document.querySelector('input[name=choice]:checked')?.value;
        const choice = this.choices.find(({ id }) => id === chosen);
        if (choice === undefined) throw new Error('Choose a model first');
        const deposit = amountOf(byId('job-deposit').value, 'Money of the job');
        this.isOpening = true;
        byId('job-open').disabled = true;
        setText(byId('job-open'), 'Opening …');
        try {
            await account.openJob(choice, deposit);
        } finally {
            this.isOpening = false;
            setText(byId('job-open'), 'Open the job');
            await this.refresh();
        }
    }

    showChoices() {
        const chosen = document.querySelector('input[name=choice]:checked')?.value ?? this.choices[0]?.id;
        const rows = this.choices.map(({ id, name, rates, region, tier, worker }) => {
            const input = element('input', { type: 'radio', name: 'choice', value: id, checked: id === chosen });
            const { prompt, answer } = maxRates(rates); // also of cached and reasoning tokens: a node decides which are
            const price = `Answers ${rateText(answer)}, questions ${rateText(prompt)}`;
            const place = [tier === 'open' ? 'not attested' : `attested: ${tier}`, region, worker]
                .filter(Boolean)
                .join(', ');
            const words = [
                element('strong', { text: shortName(name) }),
                element('span', { className: 'small', text: price }),
                element('span', { className: 'small', text: place }),
            ];
            return element('label', { className: 'choice', children: [input, element('span', { children: words })] });
        });
        byId('choices').replaceChildren(
            ...(rows.length > 0 ? rows : [element('p', { text: 'Nothing is sold here now.' })]),
        );
    }

    /** Runs what a person asked for, and says what went wrong. */
    async run(action, problemId) {
        const problem = problemId === undefined ? byId('news') : byId(problemId);
        show(problem, undefined);
        try {
            await action();
        } catch (error) {
            show(problem, wordsOf(error));
        }
    }
}

const friendly = (address, network) => address.toString({ bounceable: false, testOnly: network !== -239 });

const keyText = ({ exists, key, jobLimit, dayLimit }) =>
    ({
        none: exists ? 'No key is set: only your wallet can spend.' : 'Nothing is deposited yet.',
        ours: `The key of this browser may take ${ton(jobLimit)} for a job and ${ton(dayLimit)} a day (UTC).`,
        other: 'Another browser or program has the key now. Setting the key of this browser takes its place.',
    })[key];

const pendingText = ({ kind, amount, validUntil }) =>
    `Your wallet was asked for ${KINDS[kind]}, ${ton(BigInt(amount))}. Confirm it there. ` +
    `It can be sent until ${timeOf(validUntil)}; until then this page asks for nothing else.`;

void new Page().start();
