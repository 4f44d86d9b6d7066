// A function that calls itself as often as its event says. It answers how deep it came, and who it was called for.
'use strict'

const cloud = require('wx-server-sdk')

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV })

exports.main = async event => {
  const openid = cloud.getWXContext().OPENID
  if (!event.more) return { depth: event.depth, openids: [openid] }
  const { result } = await cloud.callFunction({ name: 'chain', data: { more: event.more - 1, depth: event.depth + 1 } })
  result.openids.push(openid)
  return result
}
