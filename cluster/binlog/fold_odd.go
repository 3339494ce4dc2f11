package binlog

import "unicode"

// oddLetters are characters that are not decomposed and that some server takes for another one, or for several:
// numbers in circles, letters above others, radicals for the characters that they stand for. An empty text drops one.
// TestFoldNeverMisses asks the servers whether any is missing.
var oddLetters = func() map[rune]string {
	m := map[rune]string{'\u03b9': "", '\u302e': "", '\u302f': ""} // iota may be a mark below another letter
	for base, letters := range map[string]string{
		"0":            "\u0c78\u0f33\u17f0\u24ff\u3007",
		"1":            "\u09f4\u0c79\u0c7c\u0f2a\u1369\u17f1\u19da\u24eb\u24f5\u2776\u2780\u278a\u3021",
		"10":           "\u24fe\u277f\u2789\u2793\u3248",
		"12":           "\u24ec",
		"13":           "\u24ed",
		"14":           "\u24ee",
		"15":           "\u24ef",
		"16":           "\u24f0",
		"17":           "\u24f1",
		"18":           "\u24f2",
		"19":           "\u24f3",
		"2":            "\u09f5\u0c7a\u0c7d\u0f2b\u136a\u17f2\u24f6\u2777\u2781\u278b\u3022",
		"20":           "\u24f4\u3249",
		"3":            "\u09f6\u0c7b\u0c7e\u0f2c\u136b\u17f3\u24f7\u2778\u2782\u278c\u3023",
		"30":           "\u324a",
		"4":            "\u09f7\u0f2d\u136c\u17f4\u24f8\u2779\u2783\u278d\u3024",
		"40":           "\u324b",
		"5":            "\u0f2e\u136d\u17f5\u24f9\u277a\u2784\u278e\u3025",
		"50":           "\u324c",
		"6":            "\u0f2f\u136e\u17f6\u2185\u24fa\u277b\u2785\u278f\u3026",
		"60":           "\u324d",
		"7":            "\u0f30\u136f\u17f7\u24fb\u277c\u2786\u2790\u3027",
		"70":           "\u324e",
		"8":            "\u0f31\u1370\u17f8\u24fc\u277d\u2787\u2791\u3028",
		"80":           "\u324f",
		"9":            "\u0f32\u1371\u17f9\u24fd\u277e\u2788\u2792\u3029",
		"b":            "\u1de8",
		"c":            "\u0368\u1dd7",
		"d":            "\u0369\u1dd8\u1dd9\ua779\ua77a",
		"db":           "\u0238",
		"dz":           "\u02a3",
		"f":            "\u1deb\ua77b\ua77c",
		"g":            "\u1acc\u1d79\u1dda\ua77d\ua7a0\ua7a1",
		"k":            "\u1ddc\ua7a2\ua7a3",
		"l":            "\u1ddd\u1efa\u2c62",
		"ls":           "\u02aa",
		"lz":           "\u02ab",
		"m":            "\u036b\u2c6e",
		"n":            "\u1de0\ua7a4\ua7a5",
		"p":            "\u1dee",
		"qp":           "\u0239",
		"r":            "\u036c\u1acd\u1dca\u1de3\u2c64\ua75a\ua75b\ua782\ua783\ua7a6\ua7a7",
		"s":            "\u1de4\u1de5\u214d\ua784\ua785\ua7a8\ua7a9\ua7d8\ua7d9",
		"t":            "\u036d\u1ace\u1d7a\ua786\ua787",
		"ts":           "\u01be\u02a6",
		"tz":           "\ua728",
		"x":            "\u036f",
		"z":            "\u018d\u1de6",
		"\u05d5\u05d5": "\u05f0",
		"\u05d5\u05d9": "\u05f1",
		"\u05d9\u05d9": "\u05f2",
		"\u0430":       "\u2df6",
		"\u0431":       "\u2de0",
		"\u0432":       "\u2de1",
		"\u0433":       "\u0491\u2de2",
		"\u0434":       "\u2de3",
		"\u0435":       "\u2df7",
		"\u0436":       "\u2de4",
		"\u0437":       "\u2de5",
		"\u0438":       "\ua675",
		"\u043a":       "\u2de6",
		"\u043b":       "\u2de7",
		"\u043c":       "\u2de8",
		"\u043d":       "\u2de9",
		"\u043e":       "\u2dea\ua669\ua66b\ua66d\ua66e\ua699\ua69b",
		"\u043f":       "\u2deb",
		"\u0440":       "\u2dec",
		"\u0441":       "\u2ded",
		"\u0442":       "\u2dee",
		"\u0443":       "\ua677",
		"\u0444":       "\ua69e",
		"\u0445":       "\u2def",
		"\u0446":       "\u2df0",
		"\u0447":       "\u2df1",
		"\u0448":       "\u2df2",
		"\u0449":       "\u2df3",
		"\u044a":       "\ua678",
		"\u044b":       "\ua679",
		"\u044c":       "\ua67a",
		"\u044e":       "\u2dfb",
		"\u0454":       "\ua674",
		"\u0456":       "\ua676",
		"\u0461":       "\ua67b",
		"\u0463":       "\u2dfa",
		"\u0465":       "\ua69f",
		"\u0467":       "\u2dfd",
		"\u046b":       "\u2dfe",
		"\u046d":       "\u2dff",
		"\u0473":       "\u2df4",
		"\u2df8":       "\ua649",
		"\u2df9":       "\ua64b",
		"\u2dfc":       "\ua657",
		"\u5c0f":       "\u2e8c\u2e8d",
		"\u5c22":       "\u2e8e\u2e90",
		"\u5c23":       "\u2e8f\u2e91",
		"\u722b":       "\u2ea4\u2ea5",
		"\u7f52":       "\u2eb2\u2eb5",
		"\u7f53":       "\u2eb1\u2eb3\u2eb4",
		"\u7f8a":       "\u2eb6\u2eb7",
		"\u8279":       "\u2ebe\u2ebf\u2ec0",
		"\u89d2":       "\u2ec6\u2ec7",
		"\u8fb6":       "\u2ecc\u2ecd\u2ece",
		"\u98e0":       "\u2ede\u2edf",
		"\u9f9c":       "\u2ef1\u2ef2",
	} {
		for _, letter := range letters {
			m[letter], m[unicode.ToLower(unicode.ToUpper(letter))] = base, base
		}
	}
	pair := []rune("" + // letter and base in turn
		"\u31f0\u304f\u31f1\u3057\u31f2\u3059\u31f3\u3068\u31f4\u306c\u31f5\u306f\u31f6\u3072\u31f7\u3075" +
		"\u31f8\u3078\u31f9\u307b\u31fa\u3080\u31fb\u3089\u31fc\u308a\u31fd\u308b\u31fe\u308c\u31ff\u308d" +
		"\u2ea6\u4e2c\u2e80\u4e36\u2e84\u4e59\u2e83\u4e5a\u2e82\u4e5b\u2e85\u4ebb\u2e86\u5182\u2e87\u51e0" +
		"\u2e88\u5200\u2e89\u5202\u2e8a\u535c\u2e8b\u5369\u2e81\u5382\u2e92\u5df3\u2e93\u5e7a\u2e95\u5f50" +
		"\u2e94\u5f51\u2e97\u5fc3\u2e96\u5fc4\u2e98\u624c\u2e99\u6535\u2e9b\u65e1\u2e9c\u65e5\u2e9d\u6708" +
		"\u2e9e\u6b7a\u2ea0\u6c11\u2ea1\u6c35\u2ea2\u6c3a\u2ea3\u706c\u2ea7\u725b\u2ea8\u72ad\u2ea9\u738b" +
		"\u2eaa\u758b\u2eab\u76ee\u2eac\u793a\u2ead\u793b\u2eae\u7af9\u2eaf\u7cf9\u2eb0\u7e9f\u2eb8\u7f8b" +
		"\u2eb9\u8002\u2ebb\u807f\u2eba\u8080\u2ebc\u8089\u2ebd\u81fc\u2ec1\u864e\u2ec2\u8864\u2ec4\u897f" +
		"\u2ec3\u8980\u2ec5\u89c1\u2ec8\u8ba0\u2ec9\u8d1d\u2eca\u8db3\u2ecb\u8f66\u2ecf\u9091\u2ed0\u9485" +
		"\u2ed1\u9577\u2ed2\u9578\u2ed3\u957f\u2ed4\u95e8\u2ed5\u961c\u2ed6\u961d\u2ed7\u96e8\u2ed8\u9752" +
		"\u2ed9\u97e6\u2eda\u9875\u2edb\u98ce\u2edc\u98de\u2edd\u98df\u2ee0\u9963\u2ee1\u9996\u2ee2\u9a6c" +
		"\u2ee3\u9aa8\u2ee4\u9b3c\u2ee5\u9c7c\u2ee6\u9e1f\u2ee7\u9e75\u2ee8\u9ea6\u2ee9\u9ec4\u2eea\u9efe" +
		"\u2eeb\u9f4a\u2eec\u9f50\u2eed\u9f52\u2eee\u9f7f\u2eef\u9f8d\u2ef0\u9f99")
	for i := 0; i < len(pair); i += 2 {
		m[pair[i]] = string(pair[i+1])
	}
	return m
}()
