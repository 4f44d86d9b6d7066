// A gateway as one writes it by hand in Node.js, for the benchmark: fastify in front, undici behind.
import fastify from 'fastify'
import { Agent, request, setGlobalDispatcher } from 'undici'

const [listen, functionAddress, weChat, openid, accessToken] = process.argv.slice(2)
const [host, port] = listen.split(':')
const askURL = `http://${weChat}/wxa/getopendata?` + new URLSearchParams({ openid, access_token: accessToken })
const cloudID = /^[0-9]{1,4}_[A-Za-z0-9_-]{40,128}$/

setGlobalDispatcher(new Agent({ keepAliveTimeout: 60_000 }))

const server = fastify({ bodyLimit: 2 << 20, keepAliveTimeout: 60_000 })

server.post('/*', async (req, reply) => {
  const event = req.body
  const names = new Map()
  for (const [name, value] of Object.entries(event)) {
    const id = typeof value === 'string' ? value : value?.cloudID
    if (typeof id === 'string' && cloudID.test(id)) names.set(id, name)
  }
  if (names.size > 0) {
    const res = await request(askURL, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ cloudid_list: [...names.keys()] })
    })
    const answer = await res.body.json()
    if (answer.errcode) return reply.code(502).send({ error: answer.errmsg })
    for (const item of answer.data_list) event[names.get(item.cloud_id)] = JSON.parse(item.json)
  }

  const { connection, 'content-length': length, 'transfer-encoding': coding, ...headers } = req.headers
  const res = await request(`http://${functionAddress}${req.url}`, {
    method: 'POST',
    headers: { ...headers, 'x-forwarded-for': req.ip },
    body: JSON.stringify(event)
  })
  const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...answerHeaders } = res.headers
  return reply.code(res.statusCode).headers(answerHeaders).send(res.body)
})

await server.listen({ host, port: Number(port) })
