const cloud = require('wx-server-sdk')

cloud.init()

module.exports = {
  cloud,
  ok: data => ({ code: 0, ...data }),
  who: () => cloud.getWXContext().OPENID
}
