/** The jobs of the page: their meters, questions and answers, vouchers and receipts, and how they end. */
import { amountOf, ton } from '../src/amounts';
import { bytesOfHex, checkBytes, reportText } from '../src/receipts';
import { shortName, wordsOf } from '../src/words';
import { byId, element, setFigures, setText, shortAddress, show, timeOf } from './parts';

const PHASES = {
    open: '',
    broken: 'The node broke the protocol. Nothing more is paid to it. Leave the job to take the rest home.',
    settling: 'The job is being settled. If that does not go on, try again, or leave without the worker.',
    settled: 'The provider is paid. Leave the job to take the rest home.',
    leaving: 'You left this job.',
};

const SHOW_MS = 100; // between two showings of an answer that arrives

/** Cards of jobs by their address. A card stays as it is while the page refreshes, with what was written in it. */
export class JobCards {
    constructor(page) {
        this.page = page;
        this.cards = new Map();
    }

    /** Shows these jobs, and forgets the others. */
    update(account) {
        const names = new Set(account.jobs.map(({ job }) => job.address.toRawString()));
        for (const [name, card] of this.cards) {
            if (!names.has(name)) {
                card.remove();
                this.cards.delete(name);
            }
        }
        for (const view of account.jobs) {
            const name = view.job.address.toRawString();
            if (!this.cards.has(name)) this.cards.set(name, new JobCard(this.page, account, view));
            this.cards.get(name).update(view);
        }
        this.updateEnded(account);
    }

    clear() {
        for (const card of this.cards.values()) card.remove();
        this.cards.clear();
        byId('ended-jobs').replaceChildren();
    }

    get isAsking() {
        return [...this.cards.values()].some(({ cut }) => cut !== undefined);
    }

    updateEnded(account) {
        byId('ended').hidden = account.ended.length === 0;
        const list = byId('ended-jobs');
        for (const job of account.ended) {
            const name = job.address.toRawString();
            if ([...list.children].some(({ dataset }) => dataset.job === name)) continue;
            const body = element('div', { className: 'papers-body' });
            const text = `${shortName(job.model)}: ${ton(job.spent)} of ${ton(job.deposit)} spent`;
            const details = element('details', { children: [element('summary', { text }), body] });
            details.dataset.job = name;
            details.addEventListener(
                'toggle',
                () => details.open && this.page.run(() => this.openEnded(body, account, job)),
            );
            list.append(details);
        }
    }

    /** Shows the papers of a job that is over; and a way to leave it, if the chain shows its account all the same. */
    async openEnded(body, account, job) {
        await papers(body, account, job);
        if ((await job.account()) === undefined) return;
        const text = 'The chain shows money of this job again: take it home';
        const leave = element('button', { type: 'button', text });
        leave.onclick = () => {
            leave.disabled = true;
            void this.page.run(async () => {
                await job.leave().finally(() => (leave.disabled = false));
                body.parentElement.remove();
                await this.page.refresh();
            });
        };
        body.prepend(leave);
    }
}

class JobCard {
    constructor(page, account, view) {
        Object.assign(this, { page, account, view, messages: [], cut: undefined, action: undefined });
        this.root = byId('job-template').content.firstElementChild.cloneNode(true);
        const at = (selector) => this.root.querySelector(selector);
        this.parts = Object.fromEntries(
            ['h2', '.job-place', 'meter', '.figures', '.job-note', '.talk', '.ask', 'textarea', '.price', '.tokens']
                .concat('.stop', '.settle', '.leave', '.refund', '.action-problem', '.papers', '.papers-body')
                .map((selector) => [selector, at(selector)]),
        );
        this.askButton = at('.ask .main');
        this.askProblem = at('.ask .problem');
        this.parts['.ask'].addEventListener('submit', (event) => {
            event.preventDefault();
            void this.ask();
        });
        this.parts['.stop'].onclick = () => this.cut?.abort();
        this.parts['.settle'].onclick = () => this.end('settle');
        this.parts['.leave'].onclick = () => this.end('leave');
        this.parts['.refund'].onclick = () => this.end('refund');
        this.parts['.papers'].addEventListener('toggle', () => this.showPapers());
        byId('jobs').prepend(this.root);
        // Settling that an earlier load of the page began goes on.
        if (view.job.phase === 'settling') void this.end('settle');
    }

    remove() {
        this.cut?.abort();
        this.root.remove();
    }

    update(view) {
        this.view = view;
        const { job, claimed, unclaimed, refundAt, isGone } = view;
        const { parts } = this;
        setText(parts.h2, shortName(job.model));
        setText(parts['.job-place'], `Job ${shortAddress(job.address.toString())}, until ${timeOf(job.terms.end)}`);
        parts.meter.value = Number(job.spent) / Math.max(Number(job.deposit), 1);
        setText(parts.meter, `${ton(job.spent)} of ${ton(job.deposit)}`);
        setFigures(parts['.figures'], {
            'Money of the job': job.deposit,
            'Signed for': job.spent,
            'Owed for answers': job.owed,
            'Not claimed yet': unclaimed,
            Claimed: claimed,
            'Can be spent': job.phase === 'open' ? job.available : 0n,
        });
        show(parts['.job-note'], this.note());
        const isOpen = job.phase === 'open' && !isGone;
        const isBusy = this.action !== undefined;
        const isDue = refundAt !== undefined && refundAt <= Date.now() / 1000;
        parts['.ask'].hidden = !isOpen;
        this.askButton.disabled = this.cut !== undefined || isBusy;
        parts['.stop'].hidden = this.cut === undefined;
        parts['.settle'].hidden = isGone || isDue || !['open', 'settling'].includes(job.phase);
        parts['.leave'].hidden = isGone || isDue || job.phase === 'leaving';
        parts['.refund'].hidden = !isGone && !isDue;
        for (const name of ['.settle', '.leave', '.refund']) parts[name].disabled = isBusy || this.cut !== undefined;
        if (this.papersOf !== job.spent) void this.showPapers();
    }

    note() {
        const { job, refundAt, isGone } = this.view;
        if (this.action !== undefined)
            return { settle: 'Settling …', leave: 'Leaving …', refund: 'Fetching …' }[this.action];
        if (isGone) return 'The job is over on the chain. Take the rest home to close it here.';
        const words = [PHASES[job.phase] ?? ''];
        if (job.note !== '') words.push(`Why: ${job.note}.`);
        if (job.phase === 'leaving' && refundAt !== undefined)
            words.push(`The rest can come home from ${timeOf(refundAt)} on.`);
        if (job.unfinished > 0 && job.phase === 'open')
            words.push('An answer broke off. Its receipt is fetched with the next question.');
        return words.filter((one) => one !== '').join(' ');
    }

    async ask() {
        const { parts, askProblem } = this;
        const { job } = this.view;
        if (this.cut !== undefined || this.action !== undefined) return;
        const text = parts.textarea.value.trim();
        let question;
        let answer;
        try {
            if (text === '') throw new Error('Write a question');
            const maxTokens = Number(parts['.tokens'].value);
            if (!Number.isInteger(maxTokens) || maxTokens < 1)
                throw new Error('Tokens: write a whole number from 1 on');
            const maxPrice = amountOf(parts['.price'].value, 'At most');
            const messages = [...this.messages, { role: 'user', content: text }];
            this.cut = new AbortController();
            question = messages;
            answer = job.ask({ messages, maxTokens, maxPrice, signal: this.cut.signal });
        } catch (error) {
            this.cut = undefined;
            show(askProblem, wordsOf(error));
            return;
        }
        show(askProblem, undefined);
        parts.textarea.value = '';
        const said = element('span');
        const cost = element('span', { className: 'small', text: 'Asking …' });
        const own = element('div', { className: 'said own', text });
        const bubble = element('div', { className: 'said', children: [said, cost] });
        parts['.talk'].append(own, bubble);
        this.update(this.view);
        let [written, price, shownAt] = ['', 0n, 0];
        const showSoFar = () => {
            said.textContent = written;
            cost.textContent = `${ton(price)} so far`;
            parts['.talk'].scrollTop = parts['.talk'].scrollHeight;
            this.update(this.view);
            shownAt = performance.now();
        };
        try {
            for await (const delta of answer) {
                written += delta.choice === 0 ? delta.text : '';
                price = delta.cost;
                // A node may send its answer in any number of pieces: the page must stay able to stop it.
                if (performance.now() - shownAt >= SHOW_MS) showSoFar();
            }
            showSoFar();
            const { receipt } = answer;
            const { tokens } = receipt;
            cost.textContent = `${ton(receipt.price)}, ${tokens.prompt + tokens.cached + tokens.completion} tokens. Receipt checked.`;
            this.messages = [...question, { role: 'assistant', content: written }];
        } catch (error) {
            showSoFar();
            const wasCut = this.cut.signal.aborted;
            cost.textContent = wasCut ? 'Stopped. What was delivered is paid.' : 'No whole answer.';
            if (!wasCut) {
                show(askProblem, wordsOf(error));
                if (said.textContent === '') {
                    own.remove();
                    bubble.remove();
                    parts.textarea.value = text;
                }
            }
        } finally {
            this.cut = undefined;
            await this.page.refresh();
            this.update(this.view);
        }
    }

    async end(how) {
        if (this.action !== undefined) return;
        this.action = how;
        const { job } = this.view;
        const problem = this.parts['.action-problem'];
        show(problem, undefined);
        this.update(this.view);
        try {
            const before = job.spent;
            const { phase } = await job[how]();
            if (phase === 'ended') {
                this.page.tell(
                    `The job is over: ${ton(before < job.spent ? job.spent : before)} spent, the rest is back in your deposit.`,
                );
            }
        } catch (error) {
            show(problem, wordsOf(error));
        } finally {
            this.action = undefined;
            await this.page.refresh();
            this.update(this.view);
        }
    }

    async showPapers() {
        const { '.papers': details, '.papers-body': body } = this.parts;
        if (!details.open) return;
        this.papersOf = this.view.job.spent; // a new voucher shows at once
        await papers(body, this.account, this.view.job).catch((error) => setText(body, wordsOf(error)));
    }
}

/** The voucher and the receipts of a job. Each receipt can be changed by hand and checked again. */
async function papers(body, account, job) {
    const { voucher } = job;
    const head = element('div', { children: [element('h3', { text: 'Voucher' })] });
    if (voucher === undefined) {
        head.append(element('p', { text: 'None yet. A voucher is signed when an answer is paid.' }));
    } else {
        const list = element('dl', { className: 'figures' });
        setFigures(list, { 'Pays in all': voucher.cumulative, 'For answers': String(voucher.count) });
        head.append(list, hexField('Signature of this browser', voucher.signature.toString('hex'), { readOnly: true }));
    }
    const checked = await account.receipts(job);
    const title = element('h3', { text: `Receipts: ${checked.length}` });
    body.replaceChildren(head, title, ...checked.map((one) => receiptCard(account, job, one)));
}

function receiptCard(account, job, checked) {
    const { receipt, index, cumulative, report } = checked;
    const list = element('dl', { className: 'figures' });
    const { prompt, cached, completion, reasoning } = receipt.tokens;
    setFigures(list, {
        Answer: String(index),
        Price: receipt.price,
        'Sum so far': cumulative,
        Tokens: `${prompt + cached} + ${completion + reasoning}`,
    });
    const state = element('p', { role: 'status', className: 'report' });
    const say = (text, isRight) => {
        state.className = `report ${isRight ? 'good' : 'problem'}`;
        setText(state, text);
    };
    say(reportText(report), report.right);
    const field = hexField('Receipt, as the node signed it', receipt.result.toString('hex'), { rows: 3 });
    const input = field.querySelector('textarea');
    const check = element('button', { type: 'button', className: 'quiet', text: 'Check again' });
    check.onclick = () => {
        try {
            const place = { network: account.wallet.network, address: job.address, terms: job.terms };
            const changed = checkBytes(place, checked, bytesOfHex(input.value));
            say(reportText(changed), changed.right);
        } catch (error) {
            say(wordsOf(error), false);
        }
    };
    return element('div', {
        className: 'receipt',
        children: [list, state, field, element('div', { children: [check] })],
    });
}

function hexField(name, value, fields) {
    const area = element('textarea', { className: 'hex', spellcheck: false, rows: 2, value, ...fields });
    return element('label', { children: [element('span', { text: name }), area] });
}
