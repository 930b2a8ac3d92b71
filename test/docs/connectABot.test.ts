// The ways of docs/connect-a-bot.md, each with the page's own settings: the program and a bot of the SDK in processes of their own.

import { RemoteSite } from '../fakes/remoteSite.js';

describe('a bot connected as docs/connect-a-bot.md says', function () {
  this.timeout(90_000);

  const ways = [
    'No authentication',
    'The hub as issuer',
    'The hub as issuer, client secret',
    'The hub as issuer, replies in the answer',
    'The legacy adapter, replies in the answer',
    'The hub as issuer, Agents SDK',
  ];
  for (const way of ways)
    it(`greets, answers, asks for a person and gets the customer back: ${way}`, async () => {
      const site = await RemoteSite.start({ way });
      try {
        await site.serveOneCustomer();
      } finally {
        await site.stop();
      }
    });
});
