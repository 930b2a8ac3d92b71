// The browser that the tests bring along: it starts, renders, keeps people apart and speaks WebSocket.
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { WebSocketServer } from 'ws';
import { browserStartTimeoutMs, launchBrowser } from '../fakes/browser.js';

describe('the browser of the tests', () => {
  let browser: Browser;
  let server: Server;
  let sockets: WebSocketServer;
  let url: string;

  before(async function () {
    this.timeout(browserStartTimeoutMs);
    server = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html; charset=utf-8');
      response.end(
        `<!doctype html><title>Hello</title><button onclick="document.title='Clicked'">Press</button><p>WWWWWWWWWW</p><p>iiiiiiiiii</p>`,
      );
    });
    sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`heard ${String(data)}`)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    browser = await launchBrowser();
  });

  after(async () => {
    await browser.close();
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it('renders a page in real glyphs and clicks a button found by its name', async () => {
    const page = await browser.newPage();
    await page.goto(url);
    const widths = await page.evaluate(`[...document.querySelectorAll('p')].map((p) => {
      const range = document.createRange();
      range.selectNodeContents(p);
      return range.getBoundingClientRect().width;
    })`);
    const [wide, narrow] = widths as [number, number];
    assert.ok(wide > narrow * 2, `ten W should be wider than ten i: ${wide} and ${narrow} pixels`);
    await page.getByRole('button', { name: 'Press' }).click();
    assert.equal(await page.title(), 'Clicked');
    await page.close();
  });

  it('speaks WebSocket with a server on loopback', async () => {
    const page = await browser.newPage();
    await page.goto(url);
    const heard = await page.evaluate(`new Promise((resolve, reject) => {
      const socket = new WebSocket(location.href.replace('http', 'ws'));
      socket.onopen = () => socket.send('hello');
      socket.onmessage = (event) => { socket.close(); resolve(event.data); };
      socket.onerror = () => reject(new Error('the socket failed'));
    })`);
    assert.equal(heard, 'heard hello');
    await page.close();
  });

  it('keeps the cookies of two people apart', async () => {
    const [ana, ben] = await Promise.all([browser.newContext(), browser.newContext()]);
    const [anasPage, bensPage] = await Promise.all([ana.newPage(), ben.newPage()]);
    await Promise.all([anasPage.goto(url), bensPage.goto(url)]);
    await anasPage.evaluate(`document.cookie = 'who=ana'`);
    assert.equal(await anasPage.evaluate('document.cookie'), 'who=ana');
    assert.equal(await bensPage.evaluate('document.cookie'), '');
    await Promise.all([ana.close(), ben.close()]);
  });

  it('reaches nothing but loopback', async () => {
    const page = await browser.newPage();
    await assert.rejects(page.goto('http://example.com/'), /ERR_NAME_NOT_RESOLVED/);
    await page.close();
  });
});
