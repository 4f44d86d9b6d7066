// A function whose clients are made in the first call and kept, as functions do, with fewer connections than there are calls. Each
// request uses the client that its path names, and answers whom it found itself called for in the client's callbacks.
// The environment says where the servers are: REDIS, MYSQL, PG, MONGO, HTTP.
'use strict'

const http = require('node:http')

const env = { ...process.env }
const made = {}
const once = (name, make) => (made[name] ??= make())
const openid = () => process.env.WX_OPENID ?? null
const pause = () => new Promise(resolve => setTimeout(resolve, 5))

// note calls back with what is seen in it.
const notes = done => {
  const seen = []
  const note = () => seen.push(openid())
  return { note, end: error => { note(); done(error, seen) } }
}

const styles = {
  redis3 (done) {
    const client = once('redis3', () => require('redis-3').createClient(env.REDIS))
    const { note, end } = notes(done)
    client.set('k', 'v', () => { note(); client.get('k', end) })
  },
  redis4: async () => {
    const client = await once('redis4', async () => { const c = require('redis-4').createClient({ url: env.REDIS }); await c.connect(); return c })
    await client.set('k', 'v')
    return openid()
  },
  ioredis: async () => {
    const client = once('ioredis', () => new (require('ioredis'))(env.REDIS))
    await client.get('k')
    return openid()
  },
  ioredisCallbacks (done) {
    const client = once('ioredis', () => new (require('ioredis'))(env.REDIS))
    const { note, end } = notes(done)
    client.set('k', 'v', () => { note(); client.get('k', end) })
  },
  ...sql('mysql', () => require('mysql').createPool(env.MYSQL + '?connectionLimit=2')),
  ...sql('mysql2', () => require('mysql2').createPool(env.MYSQL + '?connectionLimit=2')),
  mysql2Promise: async () => {
    const pool = once('mysql2p', () => require('mysql2/promise').createPool(env.MYSQL + '?connectionLimit=2'))
    const connection = await pool.getConnection()
    await connection.query('SELECT 1')
    connection.release()
    return openid()
  },
  ...sql('pg', () => new (require('pg').Pool)({ connectionString: env.PG, max: 2 })),
  pgPromise: async () => {
    const pool = once('pgp', () => new (require('pg').Pool)({ connectionString: env.PG, max: 2 }))
    const client = await pool.connect()
    await client.query('SELECT 1')
    client.release()
    return openid()
  },
  mongodb: async () => {
    const client = once('mongodb', () => new (require('mongodb').MongoClient)(env.MONGO, { maxPoolSize: 2 }))
    await client.db('d').command({ ping: 1 })
    return openid()
  },
  undici: async () => {
    const pool = once('undici', () => new (require('undici').Pool)(env.HTTP, { connections: 2 }))
    const { body } = await pool.request({ path: '/', method: 'GET' })
    await body.text()
    return openid()
  },
  undiciCallbacks (done) {
    const pool = once('undici', () => new (require('undici').Pool)(env.HTTP, { connections: 2 }))
    const { note, end } = notes(done)
    pool.request({ path: '/', method: 'GET' }, (error, data) => { note(); error ? end(error) : data.body.on('data', note).on('end', () => end()) })
  },
  fetch: async () => {
    await (await fetch(env.HTTP)).text()
    return openid()
  },
  agent (done) {
    const agent = once('agent', () => new http.Agent({ keepAlive: true, maxSockets: 2 }))
    const { note, end } = notes(done)
    http.get(env.HTTP, { agent }, response => { note(); response.on('data', note).on('end', () => end()) })
  },
  genericPool: async () => {
    const pool = once('generic', () => require('generic-pool').createPool({ create: async () => ({}), destroy: async () => {} }, { max: 2 }))
    const resource = await pool.acquire()
    await pause()
    await pool.release(resource)
    return openid()
  }
}

// sql is the ways in which the pools of databases are used with callbacks.
function sql (name, make) {
  const connect = (pool, callback) => pool.getConnection ? pool.getConnection(callback) : pool.connect(callback)
  return {
    [name + 'Query'] (done) {
      const pool = once(name, make)
      const { note, end } = notes(done)
      pool.query('SELECT 1', error => { note(); error ? end(error) : pool.query('SELECT 1', end) })
    },
    [name + 'Connection'] (done) {
      const { note, end } = notes(done)
      connect(once(name, make), (error, connection) => {
        note()
        if (error) return end(error)
        connection.query('SELECT 1', error => { note(); connection.release(); end(error) })
      })
    },
    // The connection is given back in a promise of the call's own: whoever waits for it is called from there.
    [name + 'Released'] (done) {
      const { note, end } = notes(done)
      connect(once(name, make), async (error, connection) => {
        note()
        if (error) return end(error)
        await pause()
        note()
        connection.release()
        end()
      })
    }
  }
}

http.createServer(async (request, response) => {
  request.resume()
  const style = styles[request.url.slice(1)]
  const answer = result => response.end(JSON.stringify(result))
  if (!style) return answer({ styles: Object.keys(styles) })
  try {
    if (style.length === 0) return answer({ seen: [await style()], kept: true })
    style((error, seen) => answer(error ? { error: String(error.stack ?? error) } : { seen }))
  } catch (error) {
    answer({ error: String(error.stack) })
  }
}).listen(Number(env.PORT))
