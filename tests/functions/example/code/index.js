// Makes the mini program's code for a scene.
const cloud = require('wx-server-sdk')

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV })

exports.main = async event => {
  const { contentType, buffer } = await cloud.openapi.wxacode.getUnlimited({ scene: event.scene, page: 'pages/order/index' })
  return { contentType, base64: buffer.toString('base64') }
}
