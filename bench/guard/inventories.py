"""What the sentences for the name model are filled with, and how often.

Surnames by their share of the population (2020 name report of the Ministry of Public Security, the first hundred) and
the rest of the Hundred Family Surnames; characters of given names written down by hand.
"""

from __future__ import annotations

import random

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖"
    "石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷黎史龙陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤"
    "温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟申殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季成霍涂裴游盛"
    "冉翁蓝骆路辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤时穆农司古吉卓车简连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋"
    "商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻厉伊仝区郜海阙花权强帅屠豆朴"
    "盖练廉禹井漆巴肇阎傅萧於岩宿幸容向经裘缪干贲嵇束钮卻璩桑濮牧隗山谷宓蓬郗仰秋仓暨衡步都慕尉迟"
)
COMPOUND = "欧阳 上官 司马 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 夏侯 司徒 长孙 宇文 轩辕 端木 独孤 南宫 西门 百里 呼延 钟离 闻人 澹台 公冶 太史 申屠 赫连 濮阳 淳于 单于 完颜 拓跋 纳兰 万俟 鲜于 闾丘 司空 亓官 司寇 仉督 子车 颛孙 端木 巫马 公西 乐正 公良 欧陽 左丘 东郭 百里 谷梁 宰父 段干".split()
# Surnames that are hardly anything else, in front of a title or after 小 and 老.
PLAIN = "王李张刘陈杨赵吴周徐孙朱胡郭林罗郑梁谢宋唐韩邓冯曹彭肖董潘袁蔡蒋杜吕卢姚沈崔谭陆廖韦贾邹邱薛闫郝龚邵覃戴孔"

GIVEN = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂文辉玲飞红梅建华国庆志海燕波宇鹏浩斌丹雪婷婷慧颖琳莉萍琴兰凤洁倩云莲真环荣爱妹香月莺媛瑞凡佳嘉琼勤珍贞"
    "桂娣叶璧璐娅琦晶妍茜秋珊莎锦黛青怡婉姣婵雁蓓纨仪荷蓉眉君琴蕊薇菁梦岚苑婕馨瑗琰韵融园艺咏卿聪澜纯毓悦昭冰爽琬茗羽希宁欣飘育滢馥筠柔竹霭凝晓欢霄枫芸菲寒伊亚宜可姬舒影荔枝思丽"
    "毅俊峰林东河洪成亮政谦亨奇固之轮翰朗伯宏言若鸣朋梁栋维启克伦翔旭鹏泽晨辰士以建家致树炎德行时泰盛雄琛钧冠策腾榕风航弘义兴良海山仁波贵福生龙元全胜学祥才发武新利清彬富顺信子杰涛昌"
    "成康星光天达安岩中茂进有坚和彪博诚先敬震振壮会思群豪心邦承乐绍功松善厚庆民友裕轩昊涵梓一诺欣怡宸沐语依子睿雨桐诗雅若曦紫萱可馨奕辰浩然俊熙铭宇皓轩天佑瑾瑜墨浩宇煜祺哲瀚"
    "春芝淑巧素玉金银仙花惠兴旺根水长全喜占连宝玺运来富贵满堂守业永久广田正常凯鑫淼森焱垚磊晗昕昱晟炜烨煊琪瑶琳璇珂玥玮珏"
)
FOLK_GIVEN = "建国 建军 志强 志刚 志伟 国强 国庆 海燕 晓红 小红 小明 晓明 秀英 秀兰 桂英 桂兰 玉兰 玉梅 淑珍 淑英 丽华 丽娟 春梅 红梅 雪梅 冬梅 文博 子涵 子轩 梓涵 梓萱 宇轩 浩然 欣怡 诗涵 一诺 雨桐 思远 思雨 嘉怡 家豪 俊杰 志远 明轩 天宇 晓东 晓峰 晓燕 卫东 卫国 爱国 爱华 金凤 大伟 大勇 小龙 小军 小芳 小丽 立新 立军 永强 永刚 振华 振东 德华 学友 富城 美玲 美华 佳琪 佳怡 雅婷 雅琪 静怡 婉婷 慧敏 海涛 海波 海龙 东升 新民 新华 为民 长江 黄河 光明 文明 高兴 方圆 向阳 胜利 平安 来福 得志 有为 自强 一鸣 一凡 若曦 清扬 婉清 予安 知行 书豪 启航".split()

FOREIGN_GIVEN = "Wei Fang Na Min Jing Li Qiang Lei Jun Yang Yong Yan Jie Juan Tao Ming Chao Xia Ping Gang Xiaoming Xiaohong Xiaoli Jianguo Jianjun Zhiqiang Haiyan Zihan Zixuan Haoran Xinyi Yuxuan Meiling Guoqiang Yifan Siyuan Jiahao Tianyu Ruoxi Mengyao Xuemei Dongmei Lihua Weidong Aiguo Yuhan Shiyu Boyang Chenxi Kaiwen Jiayi Wenjie Xueying Zhenhua Yutong Hao Xin Bin Peng Fei Hui Ying Yu Lan Ting Xue Dan Rui Kai Bo Chen".split()
PINYIN_SURNAMES = (
    "Wang Li Zhang Liu Chen Yang Huang Zhao Wu Zhou Xu Sun Ma Zhu Hu Guo He Lin Luo Gao Zheng Liang Xie Song Tang Han Deng Feng "
    "Cao Peng Zeng Xiao Tian Dong Pan Yuan Cai Jiang Yu Du Ye Cheng Wei Su Lv Lu Ding Ren Yao Shen Zhong Cui Tan Fan Liao Shi Jin "
    "Jia Xia Fu Fang Zou Xiong Bai Meng Qin Qiu Hou Yin Xue Yan Duan Lei Long Tao Mao Hao Gu Gong Shao Wan Qian Dai Mo Kong "
    "Ouyang Sima Zhuge Shangguan Murong Situ Chang Qiao Lai Wen Ni Kang Niu Ge Xing An Qi Yi"
).split()
FOREIGN_FAMILY = (
    "Chan Wong Leung Cheung Lau Kwok Lam Ng Tsang Cheng Chow Kim Park Lee Choi Jung Tanaka Suzuki Sato Yamamoto Nakamura Watanabe Nguyen Tran "
    "Pham Patel Singh Kumar Sharma Gupta Khan Ahmed Hassan Ali Hussein Silva Santos Oliveira Souza Garcia Martinez Fernandez Lopez Gonzalez "
    "Rodriguez Perez Rossi Russo Ferrari Bianchi Muller Schmidt Schneider Fischer Weber Wagner Becker Dubois Durand Moreau Laurent Lefebvre "
    "Ivanov Petrov Smirnov Kuznetsov Kowalski Nowak Novak Horvat Jansen Visser Johansson Andersson Hansen Nielsen Larsen O'Brien O'Connor "
    "O'Neill McDonald MacLeod Fitzgerald Campbell Abdullah Rahman Okafor Mensah Adeyemi Mohamed Haddad Cohen Levy Goldberg Friedman Katz"
).split()
FOREIGN_FIRST = (
    "Mohammed Ahmed Fatima Aisha Omar Yusuf Priya Rahul Anjali Arjun Raj Deepak Sanjay Sunita Hiroshi Yuki Kenji Sakura Haruto Min-jun Ji-woo "
    "Carlos Juan Jose Luis Miguel Javier Sofia Lucia Isabella Valentina Diego Pablo Giulia Marco Luca Francesca Alessandro Giovanni Hans "
    "Klaus Jürgen Stefan Anke Heike Pierre Jean Claude Marie Camille Chloé Élodie François Olga Svetlana Dmitri Ivan Natasha Sergei Piotr "
    "Katarzyna Agnieszka Lars Ingrid Sven Astrid Liam Noah Oliver Elijah Aiden Mason Logan Ethan Mia Ava Charlotte Amelia Harper Evelyn Zoe "
    "Chioma Kwame Ngozi Siobhan Niamh Aoife Ewan Callum Rhys Nigel Alistair Priyanka Vikram Mei Ling Kai Jin Soo Thanh Linh Minh"
).split()
WORD_NAMES = "Will May Mark Rose Hope Grace Joy Faith Bill Frank Grant Chase Drew Dawn Summer Autumn Jack Rob Sue Pat June April Iris Lily Violet Daisy Ruby Amber Crystal Penny Art Gene Dale Glen Heath Cliff Brook Robin Jay Ray Guy Max Rich Victor Miles Reed Hunter Mason Carter Taylor Cooper Angel Christian Dean Earl Duke Chance Destiny Harmony Melody Olive Ivy Holly Basil Herb Nick Harry".split()
TITLES = (
    "先生 女士 小姐 太太 夫人 医生 大夫 老师 教授 博士 经理 总经理 总监 主任 总 工 律师 护士 师傅 阿姨 叔叔 大爷 大妈 大哥 大姐 同学 同志 院长 校长 局长 处长 科长 部长 "
    "书记 市长 县长 镇长 村长 队长 组长 班长 警官 法官 检察官 会计 老板 老师傅 奶奶 爷爷 董事长 董事 主管 助理 秘书 司机 教练 导师 站长 店长 行长 厂长 主席 委员 将军"
).split()


def chinese_name(rng: random.Random, more_given: list[str]) -> str:
    """A surname by its share and a given name: one character 17 %, else two."""
    if rng.random() < 0.03:
        surname = rng.choice(COMPOUND[:30])
    elif rng.random() < 0.75:  # the first hundred hold 85 % of the population, falling about as 1 / (rank + 12)
        surname = rng.choices(SURNAMES[:100], [1 / (rank + 12) for rank in range(100)])[0]
    else:
        surname = rng.choice(SURNAMES)
    kind = rng.random()
    if kind < 0.17:
        return surname + rng.choice(GIVEN)
    if kind < 0.30:
        return surname + rng.choice(FOLK_GIVEN)
    if kind < 0.55:
        return surname + rng.choice(more_given)
    return surname + rng.choice(GIVEN) + rng.choice(GIVEN)


def pinyin_name(rng: random.Random) -> str:
    """A name in pinyin, family name first or last."""
    family, given = rng.choice(PINYIN_SURNAMES), rng.choice(FOREIGN_GIVEN)
    return f"{family} {given}" if rng.random() < 0.7 else f"{given} {family}"
