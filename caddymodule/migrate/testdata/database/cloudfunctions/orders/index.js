const cloud = require('wx-server-sdk')

cloud.init()

const db = cloud.database()
const _ = db.command

exports.main = async event => {
  const { fileList } = await cloud.getTempFileURL({ fileList: [event.file] })
  return { orders: await db.collection('orders').where({ sum: _.gt(1) }).get(), fileList }
}
