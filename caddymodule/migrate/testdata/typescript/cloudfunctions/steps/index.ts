import cloud from 'wx-server-sdk'

interface Day { timestamp: number, step: number }
interface Event { weRunData: { data: { stepInfoList: Day[] } } }

cloud.init({ env: cloud.DYNAMIC_CURRENT_ENV as any })

export const main = async (event: Event): Promise<{ total: number, openid?: string }> => {
  const total = event.weRunData.data.stepInfoList.reduce((sum: number, day: Day) => sum + day.step, 0)
  return { total, openid: cloud.getWXContext().OPENID }
}
