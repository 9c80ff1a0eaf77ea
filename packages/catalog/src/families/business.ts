import Type from 'typebox';
import { eventFamily } from '../event-family.ts';
import { eventType } from '../event-type.ts';
import { count, id, number, text } from './fields.ts';

export const businessFamily = eventFamily({
  name: 'business',
  description: 'What happens to money and data.',
  topics: ['transactions.*', 'balance.*', 'sync.*'],
  events: [
    eventType({
      name: 'transactions.new',
      description: 'A transaction was booked.',
      data: Type.Object({
        transactionId: id('The transaction.'),
        amount: number('In the account’s currency; negative for what is paid.'),
        merchant: text('With whom.'),
        category: Type.Optional(text('What for.')),
      }),
      example: { transactionId: 'tx-1', amount: 120.5, merchant: 'Grocer', category: 'food' },
    }),
    eventType({
      name: 'balance.updated',
      description: 'The balance of an account is another one.',
      data: Type.Object({
        accountId: id('The account.'),
        newBalance: number('In the account’s currency.'),
        change: number('What it changed by.'),
      }),
      example: { accountId: 'acct-7', newBalance: 1_204.1, change: -120.5 },
    }),
    eventType({
      name: 'sync.completed',
      description: 'Records were brought up to date from elsewhere.',
      data: Type.Object({ source: text('Where from.'), recordsUpdated: count('How many changed.') }),
      example: { source: 'bank', recordsUpdated: 37 },
    }),
  ],
});
