import { Module } from '@nestjs/common';
import { StoreOutage } from './outage.js';

@Module({ providers: [StoreOutage], exports: [StoreOutage] })
export class StoreModule {}
