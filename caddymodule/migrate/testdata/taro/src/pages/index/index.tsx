import Taro from '@tarojs/taro'
import { View } from '@tarojs/components'

export default function Index () {
  const hello = async (): Promise<string> => (await Taro.cloud.callFunction({ name: 'hello', data: { name: 'x' } })).result as string
  return <View onClick={hello}>hello</View>
}
