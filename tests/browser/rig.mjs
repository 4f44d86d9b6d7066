// The built gateway with the sandbox for WeChat, a function that echoes its event, and an inspector, all on free ports of
// 127.0.0.1; and a browser.
import assert from 'node:assert/strict'
import { spawn, execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

export const steps = '27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g'
export const user = 'openid-of-alice'
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..')

/** Starts the gateway; options are lines of cloudid_inspector. stop() ends it. */
export async function startGateway (options = '') {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'inspector-'))
  const [gateway, wechat, inspector, admin] = await Promise.all([1, 2, 3, 4].map(freeAddress))
  const echo = await startEcho()
  const caddyfile = options => `{
	admin ${admin}
	cloudid {
		account wx3d289323f5900f8e {
			secret made-up
			endpoint http://${wechat}
			limit off
		}
	}
}
http://${gateway} {
	bind 127.0.0.1
	wechat_login /login {
		session_key
	}
	handle /session/* {
		wechat_session
		cloudid {
			fields weRunData phone
			encrypted_data
		}
		reverse_proxy ${echo.address}
	}
	handle /down/* {
		cloudid {
			openid ${user}
		}
		reverse_proxy 127.0.0.1:1
	}
	handle {
		cloudid {
			openid ${user}
			fields weRunData phone
		}
		reverse_proxy ${echo.address}
	}
}
http://${wechat} {
	bind 127.0.0.1
	cloudid_sandbox
}
http://${inspector} {
	bind 127.0.0.1
	cloudid_inspector {
		${options}
	}
}
`
  const file = path.join(folder, 'Caddyfile')
  fs.writeFileSync(file, caddyfile(options))
  const caddy = spawn(builtCaddy(folder), ['run', '--config', file, '--adapter', 'caddyfile'], {
    env: { ...process.env, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder }, stdio: ['ignore', 'ignore', fs.openSync(path.join(folder, 'log'), 'w')]
  })
  await Promise.all([gateway, wechat, inspector].map(address => answers(address, caddy, path.join(folder, 'log'))))
  const post = (address, to, body, headers = { 'Content-Type': 'application/json' }) => fetch(`http://${address}${to}`, { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
  return {
    inspector: `http://${inspector}/`,
    /** What the function received, the latest last: {method, url, type, body}. */
    received: echo.received,
    /** Sends what fetch would not: any method, any path, no Content-Type. */
    callBy: (method, to, event, headers = { 'Content-Type': 'application/json' }) => new Promise((resolve, reject) => {
      const [hostname, port] = gateway.split(':')
      const request = http.request({ hostname, port, path: to, method, headers }, response => { response.resume(); response.on('close', resolve) }) // also where it breaks off
      request.on('error', reject)
      request.end(event)
    }),
    call: (to, event, headers) => post(gateway, to, event, headers),
    /** Logs the user in, and returns the header that says so and what WeChat gives to a device without CloudIDs. */
    logIn: async () => {
      const { code } = await (await post(wechat, '/sandbox/code', { openid: user })).json()
      const { token } = await (await post(gateway, '/login', { code })).json()
      const encrypted = await (await post(wechat, '/sandbox/encrypted', { openid: user, kind: 'werun' })).json()
      return { headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }, encrypted }
    },
    mint: async (kind, more) => (await (await post(wechat, '/sandbox/cloudid', { openid: user, kind, ...more })).json()).cloudID,
    fault: fault => post(wechat, '/sandbox/fault', fault),
    reload: async options => {
      const response = await post(admin, '/load', caddyfile(options), { 'Content-Type': 'text/caddyfile', Origin: `http://${admin}` })
      if (!response.ok) throw new Error(await response.text())
    },
    async stop () {
      caddy.kill()
      await new Promise(resolve => caddy.once('exit', resolve))
      await echo.close()
      fs.rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** A page of a browser that is shown the inspector; requests and errors of the page are kept. */
// prepare is given the page before it goes anywhere.
export async function openPage (url, { prepare, ...options } = {}) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, locale: 'en-US', ...options })
  const seen = { requests: [], errors: [] }
  page.on('request', request => seen.requests.push(request.url()))
  page.on('pageerror', error => seen.errors.push(error.message))
  page.on('console', message => { if (message.type() === 'error') seen.errors.push(message.text()) })
  page.on('dialog', dialog => { seen.errors.push('dialog: ' + dialog.message()); dialog.dismiss() })
  if (prepare) await prepare(page)
  await page.goto(url)
  await page.locator('#state.live').waitFor()
  return { page, seen, close: () => browser.close() }
}

/** Runs with a page of the gateway's inspector. The page must have no errors, and ask for nothing elsewhere. */
export async function withPage (gateway, run, options) {
  const opened = await openPage(gateway.inspector, options)
  try {
    await run(opened.page)
    assert.deepEqual(opened.seen.errors, [], 'errors in the page')
    for (const url of opened.seen.requests) assert.ok(url.startsWith(gateway.inspector), `the page asks for ${url}`)
  } finally { await opened.close() }
}

export const rows = page => page.locator('#list .row:not(.head)')
export const detail = page => page.locator('#detail')
export const row = (page, text) => rows(page).filter({ hasText: text }).first()

// keepCopied keeps what the page copies in window.copied. To read the clipboard itself can wait for ever, for a window that has no focus.
export async function keepCopied (page) {
  await page.context().grantPermissions(['clipboard-write'])
  await page.evaluate(() => {
    const write = navigator.clipboard.writeText.bind(navigator.clipboard)
    navigator.clipboard.writeText = text => {
      window.copied = text
      return write(text)
    }
  })
}

function builtCaddy (folder) {
  if (process.env.CADDY) return path.resolve(process.env.CADDY)
  const file = path.join(folder, 'caddy')
  execFileSync('go', ['build', '-buildvcs=false', '-o', file, './caddymodule/cmd/caddy'], { cwd: root, stdio: 'inherit' })
  return file
}

async function startEcho () {
  const received = []
  const server = http.createServer((request, response) => {
    const parts = []
    request.on('data', part => parts.push(part))
    request.on('end', () => { received.push({ method: request.method, url: request.url, type: request.headers['content-type'], body: String(Buffer.concat(parts)) }); response.setHeader('Content-Type', 'application/json'); response.end(Buffer.concat(parts)) })
  })
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  return { received, address: `127.0.0.1:${server.address().port}`, close: () => { server.closeAllConnections(); return new Promise(resolve => server.close(resolve)) } }
}

async function freeAddress () {
  const server = net.createServer()
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise(resolve => server.close(resolve))
  return `127.0.0.1:${port}`
}

// By a bare connection: a request would be a call that the inspector shows.
async function answers (address, caddy, log) {
  const [host, port] = address.split(':')
  for (let i = 0; i < 300 && caddy.exitCode === null; i++) {
    const connected = await new Promise(resolve => {
      const socket = net.connect(port, host, () => { socket.destroy(); resolve(true) })
      socket.on('error', () => resolve(false))
    })
    if (connected) return
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  throw new Error(`nothing answers at ${address}:\n${fs.readFileSync(log, 'utf8')}`)
}
