// Reminds a user of an order: it asks the function `code` for a picture, and sends a subscribe message.
const cloud = require('wx-server-sdk')

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV })

exports.main = async event => {
  const { OPENID } = cloud.getWXContext()
  const { result } = await cloud.callFunction({ name: 'code', data: { scene: event.order } })
  await cloud.openapi.subscribeMessage.send({
    touser: event.touser || OPENID,
    templateId: '9Aw5ZV1j9xdWTFEkqCpZ7jWySL7aGN6rQom4gXINfJs',
    page: 'pages/order/index',
    data: { thing1: { value: `Order ${event.order} is ready` } }
  })
  return { sentTo: event.touser || OPENID, code: result }
}
