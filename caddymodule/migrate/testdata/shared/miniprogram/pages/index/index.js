import { call } from '../../utils/call'
Page({ go: () => call('both', { a: 2, b: 3 }), pick: () => wx.cloud.uploadFile({}) })
