rt_find(SQLITE sqlite3)
rt_unit_test(db store db PkgConfig::SQLITE)
rt_unit_test(db rooms db)
rt_unit_test(db api_keys db PkgConfig::SQLITE)
