// What an app in TypeScript writes: it compiles against cloud.d.ts and against the types of wx.
import cloud = require('../../../miniprogram/cloud')
import imported from '../../../miniprogram/cloud'
import { install } from '../../../miniprogram/cloud'

// Either can stand in for the other.
const members: Pick<WxCloud, 'callFunction' | 'CloudID'> = cloud
wx.cloud.callFunction = cloud.callFunction
wx.cloud.CloudID = cloud.CloudID
const same: cloud.Cloud = imported

install({ url: 'https://example.com' }).configure({ url: 'https://example.com', path: '/f/{name}', loginPath: '/in', timeout: 1000 })
cloud.init({ env: 'prod', traceUser: true })

async function calls () {
  await cloud.login()
  const { result, requestID, errMsg } = await cloud.callFunction({
    name: 'steps', data: { weRunData: cloud.CloudID('27_x'), n: 1 }, config: { env: 'prod' }
  })
  const id: string = requestID + errMsg + new cloud.CloudID('27_x').toJSON()

  const nothing: void = cloud.callFunction({
    name: 'steps',
    success: res => { console.log(res.result.total) },
    fail: err => { console.log(err.errCode.toFixed(), err.errMsg, err.statusCode) },
    complete: () => {}
  })
  cloud.callFunction({ name: 'steps', success: undefined }).then(res => res.result, (err: cloud.CallFunctionError) => err.errno)
  return [result.total, id, nothing]
}

// @ts-expect-error: url is missing
cloud.install({})
// @ts-expect-error: name is missing
cloud.callFunction({ data: {} })
// @ts-expect-error: data is an object
cloud.callFunction({ name: 'steps', data: 'text' })

export { calls, members, same }
